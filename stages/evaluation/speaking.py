"""What the judges hear: prompts as a voice says them, its recordings, and the voice saying the same as those."""

from __future__ import annotations

import argparse
import itertools
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gpt_sovits.audio import save_flac
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.lexicon import Lexicon
from metrics.prompts import Prompt
from stages.evaluation.scoring import Utterance
from stages.params import Params
from stages.running.progress import counted
from stages.tables import AlignedClip, FeatureClip, VoiceReference, read_table


def speak(
    synthesizer: Synthesizer,
    prompts: Iterable[Prompt],
    seeds: Iterable[int],
    folder: Path,
    prompt_text: str,
    timings: list[dict[str, float | str]],
) -> Iterator[Utterance]:
    """Synthesise every prompt with every seed as FLAC in `folder`, one when the next is asked for, so that the judges
    need not wait for the last; seconds of work go to `timings`, not to a row."""
    folder.mkdir(exist_ok=True)
    wanted = list(itertools.product(prompts, tuple(seeds)))
    for prompt, seed in counted(wanted, len(wanted), "evaluate: spoken {} utterances"):
        begin = time.perf_counter()
        speech = synthesizer.say(prompt.text, seed)
        elapsed = time.perf_counter() - begin
        path = folder / f"{prompt.id}-{seed}.flac"
        save_flac(path, speech.waveform, speech.sample_rate)
        seconds = len(speech.waveform) / speech.sample_rate
        timings.append({"prompt_id": prompt.id, "seconds": seconds, "synthesis_seconds": elapsed})
        yield Utterance(
            prompt_id=prompt.id,
            category=prompt.category,
            seed=seed,
            text=prompt.normalized,
            audio=path,
            shown_as=f"{folder.name}/{path.name}",
            expected_seconds=synthesizer.expected_seconds(prompt.text),
            prompt_text=prompt_text,
        )


def held_out_utterances(
    dirs: argparse.Namespace, reference: VoiceReference, params: Params, lexicon: Lexicon
) -> list[Utterance]:
    """The voice's own held-out recordings, to be judged like synthesised speech."""
    paths = {clip.clip_id: clip.path for clip in read_table(dirs.aligned / "clips.jsonl", AlignedClip)}
    return [
        Utterance(
            prompt_id=clip.clip_id,
            category="held_out",
            seed=0,
            text=clip.text,
            audio=dirs.clips / paths[clip.clip_id],
            shown_as="",
            expected_seconds=len(phonemize(clip.text, params.align.language, lexicon).ids)
            * reference.seconds_per_phoneme,
        )
        for clip in read_table(dirs.features / "clips.jsonl", FeatureClip)
        if clip.split == "held_out"
    ]


def keep_recordings(real: Sequence[Utterance], folder: Path) -> list[Utterance]:
    """Held-out clips copied into the score folder, so that a report and the registry have them beside the voice."""
    folder.mkdir()
    for one in real:
        shutil.copyfile(one.audio, folder / one.audio.name)
    return [replace(one, shown_as=f"{folder.name}/{one.audio.name}") for one in real]


def resynthesize(
    synthesizer: Synthesizer, real: Sequence[Utterance], seed: int, folder: Path, prompt_text: str
) -> list[Utterance]:
    """Speak the text of each recording as FLAC in `folder`: what a listener hears beside the speaker's own voice."""
    folder.mkdir()
    resynthesis = []
    for one in real:
        speech = synthesizer.say(one.text, seed)
        path = folder / f"{one.audio.stem}-{seed}.flac"
        save_flac(path, speech.waveform, speech.sample_rate)
        spoken = replace(one, category="resynthesis", seed=seed, audio=path, shown_as=f"{folder.name}/{path.name}")
        expected = synthesizer.expected_seconds(one.text)
        resynthesis.append(replace(spoken, expected_seconds=expected, prompt_text=prompt_text))
    return resynthesis
