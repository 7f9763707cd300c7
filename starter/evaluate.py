"""Stage evaluate: scores of the base, from copies of speech to speech from text. Prints a table and writes JSON.

    python -m starter.evaluate [--only frames real copy resynthesis speech prompts] [--n 12]
    python -m starter.evaluate --stage prior        # before pack, the networks of a stage that has just ended

    frames       share of frames whose phone the content encoder gets wrong
    real         the recordings themselves, the ceiling of every other part
    copy         through the posterior encoder and the generator
    resynthesis  from the recording's tokens, text and style
    speech       from the text, in the style of another recording of the speaker: zero-shot, without adaptation
    prompts      the speaker of the sample voice reads the fixed prompts by Kokoro: what the adapted voice could reach

The sets are those of voices.held_out_sets. Whisper and pocketsphinx count word errors (`wer`, `wer_pocketsphinx`). The
texts of LibriSpeech are Whisper's own, so its `wer` of their recordings says nothing. A similarity is the cosine to
other recordings of the speaker. `floor` is that of other speakers, and `relative` is 0 there and 1 at the recordings.
`voiced` is 1 where as much of the speech has a pitch as of the recordings, 0 where it is whispered (melody.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from ruamel.yaml import YAML
from torch import Tensor

from gpt_sovits.content_encoder.encoder import (
    CONTENT_SAMPLE_RATE,
    SAMPLES_PER_FRAME,
    ContentEncoder,
    extract_ssl_features,
)
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.gpt.model import GPTConfig
from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.spectrogram import linear_spectrogram
from gpt_sovits.synthesis.pieces import add_full_stop
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.weights.base import STARTER, Base, load_base
from gpt_sovits.weights.checkpoint import load_checkpoint
from metrics.judges.speaker import cosine
from metrics.prompts import load_prompts
from starter import kokoro, voices
from starter.melody import melody_scores
from starter.phones import PHONES
from starter.scoring import N_PROCESSES, Judges, load_judges, relative_similarity, to_float, unit_mean
from starter.scratch import GPT_CONFIG
from starter.settings import HOME, WORK, stage_folder
from starter.sovits_data import spectral_loss
from starter.store import Utterance, read_corpus, resample_16k

PARTS = ("frames", "real", "copy", "resynthesis", "speech", "prompts")
STAGES = ("prior", "joint")  # whose SoVITS --stage takes
N_COMPANIONS = 4  # further recordings of a speaker who has only one in a set


@dataclass(frozen=True)
class SpeechSet:
    """Held-out speech of one kind.

    Invariant: `companions` has one entry per utterance, which holds at least one other recording of the same speaker.

    Attributes:
        name: Key of voices.held_out_sets.
        utterances: The recordings.
        companions: Other recordings of the speaker of each. The first one gives the style.
    """

    name: str
    utterances: list[Utterance]
    companions: list[list[Utterance]]


def corpus_of(set_name: str, utterance: Utterance) -> str:
    """Return the corpus that an utterance of a held-out set is in."""
    if set_name == "known":
        return utterance.voice
    return voices.OTHER_PEOPLE if set_name == voices.PEOPLE else set_name


def build_set(name: str, utterances: Sequence[Utterance]) -> SpeechSet:
    """Return a set without the utterances whose text is unknown, with other recordings of each speaker.

    They are those after it in the set, then those before. A speaker who has only one recording there gets the last ones
    of his corpus, which are held out too. One who has only one recording at all is left out.
    """
    known = [one for one in utterances if one.text]
    kept, companions = [], []
    for position, one in enumerate(known):
        others = [other for other in known[position + 1 :] + known[:position] if other.voice == one.voice]
        if not others:
            corpus = read_corpus(stage_folder("corpus") / corpus_of(name, one))
            same = [other for other in corpus if other.voice == one.voice and other.name != one.name]
            others = same[-N_COMPANIONS:]
        if others:
            kept.append(one)
            companions.append(others)
    return SpeechSet(name, kept, companions)


def similarity_floor(speech: SpeechSet, sets: Sequence[SpeechSet], judges: Judges) -> float:
    """Return the mean cosine of each recording of a set to each other speaker of the set.

    Where the set has one speaker, the others are those of all sets.
    """
    speakers = _recordings_by_speaker([speech])
    if len(speakers) == 1:
        speakers = _recordings_by_speaker(sets)
    means = {name: unit_mean([judges.embed(one) for one in some]) for name, some in speakers.items()}
    cosines = [
        cosine(judges.embed(one), mean)
        for one in speech.utterances
        for name, mean in means.items()
        if name != one.voice
    ]
    return float(np.mean(cosines)) if cosines else float("nan")


def mean_similarity(waveforms: Sequence[np.ndarray], speech: SpeechSet, judges: Judges) -> float:
    """Return the mean cosine of waveforms, one per utterance of a set, to other recordings of their speakers."""
    pairs = zip(waveforms, speech.companions, strict=True)
    return float(np.mean([judges.cosine_of(waveform, others) for waveform, others in pairs]))


def _recordings_by_speaker(sets: Sequence[SpeechSet]) -> dict[str, list[Utterance]]:
    found: dict[str, dict[str, Utterance]] = {}
    for speech in sets:
        for one, others in zip(speech.utterances, speech.companions, strict=True):
            found.setdefault(one.voice, {}).update({other.name: other for other in (one, *others)})
    return {voice: list(some.values()) for voice, some in found.items()}


@torch.inference_mode()
def frame_error(encoder: ContentEncoder, utterances: Sequence[Utterance]) -> float:
    """Return the share of the frames of 20 ms whose phone an encoder with a head gets wrong."""
    wrong = total = 0
    for one in utterances:
        predicted = extract_ssl_features(encoder, torch.from_numpy(to_float(one))[None])[0].argmax(dim=0).numpy()
        labels = one.labels(len(predicted), SAMPLES_PER_FRAME / CONTENT_SAMPLE_RATE)
        wrong += int((predicted != labels).sum())
        total += len(labels)
    return wrong / total if total else float("nan")


def frame_errors(encoder: ContentEncoder, sets: Mapping[str, Sequence[Utterance]]) -> dict[str, float]:
    """Return the frame error of each held-out set against the final labels. Utterances without any are left out."""
    errors = {}
    for name, utterances in sets.items():
        by_corpus: dict[str, list[Utterance]] = {}
        for one in utterances:
            by_corpus.setdefault(corpus_of(name, one), []).append(one)
        labelled = [one for corpus, some in by_corpus.items() for one in voices.with_labels(corpus, some)]
        errors[name] = frame_error(encoder, labelled)
    return errors


@torch.inference_mode()
def copy_utterance(sovits: SoVITS, utterance: Utterance) -> np.ndarray:
    """Copy a recording through the posterior encoder and the generator, from the mean of its latent."""
    hop = sovits.config.hop_length
    waveform = torch.from_numpy(to_float(utterance))
    linear = linear_spectrogram(waveform[: len(waveform) // hop * hop][None], sovits.config.n_fft, hop)
    style = sovits.style_embedding(linear)
    mask = torch.ones(1, 1, linear.shape[2])
    noise = torch.zeros(1, sovits.config.latent_channels, linear.shape[2])
    latent = sovits.enc_q(sovits.prepare_spectrogram(linear), mask, style, noise)[0]
    return sovits.dec(latent, style)[0, 0].clamp(-1, 1).numpy()


@torch.inference_mode()
def build_reference(sovits: SoVITS, encoder: ContentEncoder, utterance: Utterance) -> Reference:
    """Return a recording as a reference: its phonemes, semantic tokens and spectrogram."""
    waveform = torch.from_numpy(to_float(utterance))[None]
    linear = linear_spectrogram(waveform, sovits.config.n_fft, sovits.config.hop_length)[0]
    if not utterance.text:
        return Reference(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), linear)
    codes = sovits.semantic_tokens(extract_ssl_features(encoder, waveform))[0]
    return Reference(phoneme_ids(utterance.text), codes, linear)


def phoneme_ids(text: str) -> Tensor:
    """Return (n_phonemes,) the ids of the phonemes of an English text."""
    return torch.tensor(phonemize(add_full_stop(text), "en").ids)


@torch.inference_mode()
def resynthesize(sovits: SoVITS, encoder: ContentEncoder, noise_scale: float, utterance: Utterance) -> np.ndarray:
    """Decode a recording from its own tokens, text and style."""
    reference = build_reference(sovits, encoder, utterance)
    style = sovits.style_embedding(reference.spectrogram[None])
    generator = torch.Generator().manual_seed(derive_seed(utterance.name))
    codes, ids = reference.semantic_tokens[None], reference.phoneme_ids[None]
    return sovits.decode(codes, ids, style, noise_scale=noise_scale, generator=generator)[0][0].numpy()


def preset_settings(path: Path = HOME.parent / "params.yaml") -> dict[str, object]:
    """Return how the product speaks with this base: those keys of the section `evaluate` that a preset has."""
    section = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["evaluate"]
    return {key: value for key, value in section.items() if key in Preset.model_fields and key != "other_languages"}


def speak_texts(base: Base, speech: SpeechSet, settings: Mapping[str, object] | None = None) -> list[np.ndarray]:
    """Speak the text of each utterance in the style of another recording of its speaker.

    The networks are built once for the set, and each reference once.

    Args:
        base: The base model.
        speech: Whose first companions give the styles.
        settings: Fields of the preset. None: preset_settings().
    """
    encoder, sovits = base.build_content_encoder(), base.build_sovits()
    settings = preset_settings() if settings is None else settings
    synthesizer: Synthesizer | None = None
    speakers: dict[str, Synthesizer] = {}
    waveforms = []
    for one, others in zip(speech.utterances, speech.companions, strict=True):
        if others[0].name not in speakers:
            reference = build_reference(sovits, encoder, others[0])
            preset = Preset(
                language="en",
                seconds_per_phoneme=reference.seconds_per_phoneme,
                token_phones=base.token_phones(),
                **settings,
            )
            if synthesizer is None:
                synthesizer = Synthesizer(base.build_gpt(), base.build_sovits(), reference, preset)
            speakers[others[0].name] = synthesizer.with_preset(preset, [reference])
        waveforms.append(speakers[others[0].name].say(one.text).waveform)
    return waveforms


def score_part(
    part: str, base: Base, speech: SpeechSet, judges: Judges, settings: Mapping[str, object] | None = None
) -> dict[str, float]:
    """Return the word error rates, the similarity and the melody, and for copies the spectral loss.

    Args:
        part: "real", "copy", "resynthesis" or "speech".
        base: The base model.
        speech: The recordings to copy or whose texts to speak.
        judges: The judges.
        settings: Fields of the preset. None: preset_settings().
    """
    settings = preset_settings() if settings is None else settings
    if part == "speech":
        waveforms = speak_texts(base, speech, settings)
    else:
        sovits, encoder = base.build_sovits(), base.build_content_encoder()
        makers: dict[str, Callable[[Utterance], np.ndarray]] = {
            "real": to_float,
            "copy": partial(copy_utterance, sovits),
            "resynthesis": partial(resynthesize, sovits, encoder, settings["noise_scale"]),
        }
        waveforms = [makers[part](one) for one in speech.utterances]
    scores = judges.word_error_rates(waveforms, [one.text for one in speech.utterances])
    scores["similarity"] = mean_similarity(waveforms, speech, judges)
    scores |= melody_scores(waveforms, [to_float(one) for one in speech.utterances])
    if part == "copy":
        losses = [_spectral(one, waveform) for one, waveform in zip(speech.utterances, waveforms, strict=True)]
        scores["spectral"] = float(np.mean(losses))
    return scores


def _spectral(utterance: Utterance, waveform: np.ndarray) -> float:
    real, copied = torch.from_numpy(to_float(utterance)), torch.from_numpy(waveform)
    return float(spectral_loss(real[None, : len(copied)], copied[None]))


def build_stage_base(stage: str) -> Base:
    """Return a base of the networks in work/, rounded as pack does it, with the SoVITS of a stage.

    Before stage gpt has ended, the base has a GPT without weights, so it cannot speak from text.

    Args:
        stage: One of STAGES.
    """
    encoder_config, encoder_state = load_checkpoint(
        stage_folder("content_encoder") / "content_encoder", "content_encoder"
    )
    config, sovits_state = load_checkpoint(stage_folder(stage) / "sovits", "sovits")
    sovits = SoVITSConfig.from_dict(config)
    gpt, gpt_state = replace(GPT_CONFIG, vocab_size=sovits.codebook_size + 1), {}
    if (stage_folder("gpt") / "gpt").is_dir():
        config, gpt_state = load_checkpoint(stage_folder("gpt") / "gpt", "gpt")
        gpt = GPTConfig.from_dict(config)
    return Base(
        stage,
        gpt,
        gpt_state,
        sovits,
        sovits_state,
        content_encoder_config={
            **encoder_config,
            "id2label": {str(number): phone for number, phone in enumerate(PHONES)},
        },
        content_encoder_state=encoder_state,
        languages=("en",),
    )


def read_prompts() -> list[Utterance]:
    """Let the speaker of the sample voice read the fixed English prompts by Kokoro. What was spoken before is kept."""
    folder = stage_folder("evaluation") / "prompts"
    folder.mkdir(parents=True, exist_ok=True)
    speaker = kokoro.held_out_speaker()
    readings = []
    for prompt in load_prompts(HOME.parent / "benchmarks/prompts/en.yaml").prompts:
        path = folder / f"{prompt.id}.flac"
        if not path.is_file():
            samples, _ = kokoro.speak(prompt.text, kokoro.style_of(speaker), speaker.speed)
            unfinished = path.with_suffix(".part")
            soundfile.write(unfinished, samples, kokoro.SAMPLE_RATE, subtype="PCM_16", format="FLAC")
            unfinished.replace(path)
        waveform = resample_16k(*soundfile.read(path, dtype="float32"))
        readings.append(Utterance(prompt.id, speaker.name, prompt.normalized, waveform, []))
    return readings


def print_scores(name: str, part: str, scores: Mapping[str, float]) -> None:
    """Print the scores of one part of one set as a line."""
    print(f"{name:14s} {part:12s} " + "  ".join(f"{key} {value:.3f}" for key, value in scores.items()), flush=True)


def evaluate(base: Base, parts: Sequence[str], n: int, judges: Judges) -> dict[str, dict[str, float]]:
    """Return and print the scores of each part of each set, by "SET PART" and "frames".

    Args:
        base: The base model.
        parts: Some of PARTS.
        n: Utterances per set.
        judges: The judges.
    """
    results: dict[str, dict[str, float]] = {}
    held_out = voices.held_out_sets(n)
    if "frames" in parts:
        results["frames"] = frame_errors(base.build_content_encoder(), held_out)
        print_scores("", "frames", results["frames"])
    sets = [build_set(name, utterances) for name, utterances in held_out.items()]
    sets = [speech for speech in sets if speech.utterances]
    for speech in sets if set(parts) & set(PARTS[1:5]) else []:
        floor = similarity_floor(speech, sets, judges)
        ceiling = mean_similarity([to_float(one) for one in speech.utterances], speech, judges)
        for part in [part for part in PARTS[1:5] if part in parts]:
            scores = score_part(part, base, speech, judges)
            scores |= {"floor": floor, "relative": relative_similarity(scores["similarity"], floor, ceiling)}
            results[f"{speech.name} {part}"] = scores
            print_scores(speech.name, part, scores)
    if "prompts" in parts:
        results["prompts real"] = score_part("real", base, build_set("prompts", read_prompts()), judges)
        print_scores("prompts", "real", results["prompts real"])
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the scores and write them to work/evaluation.json, or with --stage to work/evaluation_STAGE.json."""
    parser = argparse.ArgumentParser(prog="python -m starter.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--n", type=int, default=12, help="utterances of each set")
    parser.add_argument("--stage", choices=STAGES, help="score the networks in work/ and not the packed base")
    options = parser.parse_args(arguments)
    base = build_stage_base(options.stage) if options.stage else load_base(STARTER)
    parts = [part for part in options.only if part != "speech" or base.gpt_state]
    with load_judges() as judges, deterministic(0, N_PROCESSES):
        results = evaluate(base, parts, options.n, judges)
    path = WORK / (f"evaluation_{options.stage}.json" if options.stage else "evaluation.json")
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
