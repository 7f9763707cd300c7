"""Stage tokens: the codebook, and what the GPT reads: every utterance as phonemes and semantic tokens.

    python -m starter.tokens

A token is the k-means cluster of the content features, averaged over its two frames: the square roots of the phone
posteriors, and the melody beside them. Therefore the quantiser of SoVITS needs no training: its projection is that
average, and its centres are the k-means centres.

Every corpus that is trained on has its rows, the held-out texts of the synthetic voices too. Only utterances that the
stage content_encoder could label are there. Of people there is little speech, so they have a row at each of several
speeds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gpt_sovits.content_encoder.encoder import extract_ssl_features, load_content_encoder
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.synthesis.pieces import add_full_stop
from gpt_sovits.text.frontend import phonemize
from starter import voices
from starter.augment import stretch
from starter.hidden_states import check_corpora, training_corpora
from starter.phones import NUMBER_OF, PHONES, SILENCE
from starter.scratch import k_means
from starter.settings import TokenSettings, load_settings, stage_folder
from starter.store import Utterance

TOKEN_SECONDS = 0.04
# Costs of an alignment, whole numbers so that equal ones are equal: of a phone that only one of two transcriptions has,
# and of a different phone
GAP, DIFFERENT = 4, 5
BOTH, PHONEME_ONLY, PHONE_ONLY = 0, 1, 2  # steps of an alignment


@torch.inference_mode()
def token_features(encoder: torch.nn.Module, waveform: np.ndarray) -> Tensor:
    """Return the content features, averaged over the two frames of a token.

    Args:
        encoder: The content encoder.
        waveform: (n_samples,) int16 at 16 kHz.

    Returns:
        (n_tokens, ssl_dim).
    """
    features = extract_ssl_features(encoder, torch.from_numpy(waveform.astype(np.float32) / 32768)[None])[0]
    n_tokens = features.shape[1] // 2
    return features[:, : 2 * n_tokens].reshape(len(features), n_tokens, 2).mean(dim=2).T


def align_phonemes(phonemes: Sequence[str], phones: Sequence[tuple[str, float]], n_tokens: int) -> list[int]:
    """Return the index of the phoneme that each token says: the two transcriptions, aligned by edit distance.

    Args:
        phonemes: Symbols of the front end, with stress digits and punctuation.
        phones: (phone, its end in seconds) of the labels.
        n_tokens: The number of tokens, 25 per second.

    Returns:
        n_tokens indices into `phonemes`, in ascending order.
    """
    names = [symbol.rstrip("012").lower() for symbol in phonemes]
    names = [name if name in NUMBER_OF and name != SILENCE else SILENCE for name in names]
    steps = _cheapest_steps(names, [phone for phone, _ in phones])
    of_phone, i, j = [0] * len(phones), len(names), len(phones)
    while j:
        step = int(steps[i, j])
        i -= step != PHONE_ONLY
        j -= step != PHONEME_ONLY
        if step != PHONEME_ONLY:
            of_phone[j] = max(0, int(i) - (step == PHONE_ONLY))
    ends = np.array([end for _, end in phones])
    middles = (np.arange(n_tokens) + 0.5) * TOKEN_SECONDS
    return [of_phone[k] for k in np.minimum(np.searchsorted(ends, middles, side="right"), len(phones) - 1)]


def _cheapest_steps(phonemes: Sequence[str], phones: Sequence[str]) -> np.ndarray:
    """Return (n_phonemes + 1, n_phones + 1): the last step of the cheapest alignment of the first i and j of both."""
    left = np.array([NUMBER_OF[name] for name in phonemes])
    right = np.array([NUMBER_OF[name] for name in phones])
    silence = NUMBER_OF[SILENCE]
    # A silence is not a variant of a phone: leaving out both costs the same
    costs_of_both = np.where((left[:, None] == silence) | (right == silence), 2 * GAP, DIFFERENT)
    costs_of_both[left[:, None] == right] = 0
    gaps = GAP * np.arange(len(phones) + 1)
    steps = np.full((len(phonemes) + 1, len(phones) + 1), PHONE_ONLY, dtype=np.int8)
    steps[0, 0], steps[1:, 0] = BOTH, PHONEME_ONLY
    costs = gaps
    for i, of_both in enumerate(costs_of_both, 1):
        both, phoneme_only = costs[:-1] + of_both, costs + GAP
        least = phoneme_only.copy()
        least[1:] = np.minimum(least[1:], both)
        costs = np.minimum.accumulate(least - gaps) + gaps  # any number of phones alone after the best of both
        steps[i, 1:][costs[1:] == phoneme_only[1:]] = PHONEME_ONLY
        steps[i, 1:][costs[1:] == both] = BOTH
    return steps


def speed_ratio(name: str, largest: float) -> float:
    """Return how fast the utterance of this name is played in training. Half of the utterances stay unchanged."""
    random = np.random.default_rng(derive_seed("stretch", name))
    return float(np.exp(random.uniform(-1, 1) * np.log(largest))) if random.random() < 0.5 else 1.0


def speed_ratios(name: str, largest: float, n: int) -> list[float]:
    """Return how fast each of the n copies of the utterance of this name is played. The first of several is unchanged.

    Copies at other speeds are other speakers who say the same, so they make more of a corpus of which there is little.
    """
    if n == 1:
        return [speed_ratio(name, largest)]
    logs = np.random.default_rng(derive_seed("copies", name)).uniform(-1, 1, n - 1) * np.log(largest)
    return [1.0, *map(float, np.exp(logs))]


def change_speed(utterance: Utterance, ratio: float) -> Utterance:
    """Play the utterance `ratio` times as fast, which makes it that of a smaller speaker."""
    if ratio == 1.0:
        return utterance
    waveform = np.clip(stretch(utterance.waveform.astype(np.float32), ratio), -32767, 32767).astype(np.int16)
    return replace(utterance, waveform=waveform, phones=[(phone, end / ratio) for phone, end in utterance.phones])


def tokenize(
    voice: str, encoder: torch.nn.Module, centres: Tensor, utterances: Sequence[Utterance], ratios: Sequence[float]
) -> Iterator[dict]:
    """Yield the rows of tokens.jsonl.

    Args:
        voice: The corpus of the utterances.
        encoder: The content encoder.
        centres: (n_centres, ssl_dim) codebook.
        utterances: The utterances as they were spoken.
        ratios: How fast each of them is played.
    """
    for original, ratio in zip(utterances, ratios, strict=True):
        utterance = change_speed(original, ratio)
        tokens = torch.cdist(token_features(encoder, utterance.waveform), centres).argmin(dim=1).tolist()
        phonemes = phonemize(add_full_stop(utterance.text), "en")
        yield {
            "name": utterance.name,
            "voice": voice,
            "speaker": utterance.voice,
            "text": utterance.text,
            "ratio": ratio,
            "phoneme_ids": list(map(int, phonemes.ids)),
            "tokens": tokens,
            "places": align_phonemes(phonemes.symbols, utterance.phones, len(tokens)),
        }


def token_statistics(
    vectors: Sequence[Tensor], labels: Sequence[np.ndarray], owners: Sequence[int], centres: Tensor
) -> dict[str, float]:
    """Return the entropies of tokens, phones and voices, and the phone error of a table from token to phone.

    Args:
        vectors: (n_tokens, ssl_dim) content features of each utterance.
        labels: (n_tokens,) the phone of each token of each utterance.
        owners: The number of the voice of each utterance.
        centres: (n_centres, ssl_dim) codebook.
    """
    tokens = torch.cdist(torch.cat(list(vectors)), centres).argmin(dim=1).numpy()
    phones = np.concatenate(labels)
    speakers = np.repeat(owners, [len(v) for v in vectors])
    joint = np.zeros((len(centres), len(PHONES)))
    np.add.at(joint, (tokens, phones), 1)
    by_voice = np.zeros((len(centres), max(owners) + 1))
    np.add.at(by_voice, (tokens, speakers), 1)
    return {
        "token_entropy_bits": _entropy(joint.sum(axis=1)),
        "bits_beyond_the_phone": _entropy(joint.ravel()) - _entropy(joint.sum(axis=0)),
        "voice_entropy_bits": _entropy(by_voice.sum(axis=0)),
        "voice_entropy_left_bits": _entropy(by_voice.ravel()) - _entropy(by_voice.sum(axis=1)),
        "token_to_phone_error": 1 - joint.max(axis=1).sum() / joint.sum(),
    }


def _entropy(counts: np.ndarray) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())


def sample_utterances(
    corpora: Mapping[str, Sequence[Utterance]], settings: TokenSettings
) -> Iterator[tuple[str, Utterance]]:
    """Yield (corpus, utterance) at random, until each kind of voice has its share of the minutes.

    Args:
        corpora: Utterances by corpus.
        settings: How many minutes.
    """
    for kind, share in load_settings().shares.items():
        pool = [(name, one) for name, ones in corpora.items() if voices.kind_of(name) == kind for one in ones]
        seconds_left = share * 60 * settings.sampled_minutes
        for i in np.random.default_rng(derive_seed("codebook", kind, settings.seed)).permutation(len(pool)):
            if seconds_left <= 0:
                break
            yield pool[i]
            seconds_left -= pool[i][1].seconds


def make_codebook(settings: TokenSettings) -> tuple[Tensor, dict[str, float]]:
    """Return the (n_centres, ssl_dim) k-means centres of a sample of all training voices, and their statistics."""
    encoder = load_content_encoder(stage_folder("content_encoder") / "content_encoder")
    corpora = {name: voices.with_labels(name, ones) for name, ones in voices.training_voices().items()}
    number_of = {name: number for number, name in enumerate(corpora)}
    sample, labels, owners = [], [], []
    for name, utterance in sample_utterances(corpora, settings):
        sample.append(token_features(encoder, utterance.waveform))
        labels.append(utterance.labels(len(sample[-1]), TOKEN_SECONDS))
        owners.append(number_of[name])
    centres = k_means(torch.cat(sample), settings.n_centres, settings.seed)
    return centres, token_statistics(sample, labels, owners, centres)


def tokenize_voice(voice: str) -> str:
    """Return the rows of one corpus as JSON Lines. Held-out utterances keep their speed."""
    settings, utterances = load_settings().tokens, voices.read_voice(voice)
    n_held_out = 0 if voice == voices.PEOPLE else voices.n_common(voice)
    held_out = {one.name for one in utterances[len(utterances) - n_held_out :]}
    chosen = voices.with_labels(voice, utterances)
    n_copies, largest = settings.copies[voices.kind_of(voice)], settings.largest_stretch
    copies = [
        (one, ratio)
        for one in chosen
        for ratio in ([1.0] if one.name in held_out else speed_ratios(one.name, largest, n_copies))
    ]
    with deterministic(settings.seed, n_threads=1):
        encoder = load_content_encoder(stage_folder("content_encoder") / "content_encoder")
        rows = list(
            tokenize(voice, encoder, read_centres(), [one for one, _ in copies], [ratio for _, ratio in copies])
        )
    print(f"tokens: {voice}, {len(chosen)} of {len(utterances)} utterances, {len(rows)} rows", flush=True)
    return "".join(json.dumps(row) + "\n" for row in rows)


def read_tokens(folder: Path | None = None) -> list[dict]:
    """Return the rows of tokens.jsonl in the stage's folder or in another one."""
    path = (folder or stage_folder("tokens")) / "tokens.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_centres(folder: Path | None = None) -> Tensor:
    """Return the (n_centres, ssl_dim) codebook in the stage's folder or in another one."""
    return load_file((folder or stage_folder("tokens")) / "codebook.safetensors")["centres"]


def main() -> None:
    """Write the codebook, its statistics, and the tokens of every corpus that is trained on."""
    settings, folder = load_settings().tokens, stage_folder("tokens")
    names = training_corpora()
    check_corpora(names)
    if missing := [name for name in names if not voices.labels_file(name).is_file()]:
        raise SystemExit(
            f"tokens: {', '.join(missing)}: no labels; run `python -m starter.content_encoder`, which writes them"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with deterministic(settings.seed, n_threads=1):
        centres, figures = make_codebook(settings)
        print("tokens: " + "  ".join(f"{name} {value:.3f}" for name, value in figures.items()), flush=True)
        save_file({"centres": centres.contiguous()}, folder / "codebook.safetensors")
        (folder / "statistics.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    with (
        ProcessPoolExecutor(settings.n_processes, get_context("spawn")) as pool,
        (folder / "tokens.jsonl.partial").open("w", encoding="utf-8") as file,
    ):
        for lines in pool.map(tokenize_voice, names):
            file.write(lines)
    (folder / "tokens.jsonl.partial").replace(folder / "tokens.jsonl")


if __name__ == "__main__":
    main()
