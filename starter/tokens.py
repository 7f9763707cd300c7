"""Stage tokens: the codebook, and everything that the GPT reads: each utterance as phonemes and semantic tokens.

    python -m starter.tokens

A token is the k-means cell of the square root of the phone posteriors, averaged over its two frames. The quantiser of
SoVITS needs no training then: its projection is that average and its centres are the k-means centres.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gpt_sovits.content_encoder import extract_ssl_features, load_content_encoder
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.synthesis.sentences import add_full_stop
from gpt_sovits.text.frontend import phonemize
from starter.augment import stretch
from starter.phones import NUMBER_OF, PHONES, SILENCE
from starter.scratch import k_means
from starter.settings import load_settings, stage_folder
from starter.speech import base_voices, training_voices
from starter.store import Utterance, read_corpus

TOKEN_SECONDS = 0.04
GAP = 0.8  # cost of a phone that one transcription has and the other has not; of another phone: 1


@torch.inference_mode()
def posteriors(encoder: torch.nn.Module, waveform: np.ndarray) -> Tensor:
    """(n,) int16 -> (n_tokens, n_phones): the square roots, averaged over the two frames of a token."""
    features = extract_ssl_features(encoder, torch.from_numpy(waveform.astype(np.float32) / 32768)[None])[0]
    n_tokens = features.shape[1] // 2
    return features[:, : 2 * n_tokens].reshape(len(features), n_tokens, 2).mean(dim=2).T


def _difference(phoneme: str, phone: str) -> float:
    if phoneme == phone:
        return 0.0
    return 2 * GAP if SILENCE in (phoneme, phone) else 1.0


def places(phonemes: Sequence[str], phones: Sequence[tuple[str, float]], n_tokens: int) -> list[int]:
    """Which of the front end's phonemes is being said in each token: the two transcriptions, aligned by edit distance.

    phonemes: symbols of the front end, with stress digits and punctuation; phones: (phone, its end in seconds)
    """
    mine = [symbol.rstrip("012").lower() for symbol in phonemes]
    mine = [name if name in NUMBER_OF and name != SILENCE else SILENCE for name in mine]
    other = [phone for phone, _ in phones]
    rows, columns = len(mine) + 1, len(other) + 1
    costs = np.zeros((rows, columns))
    costs[:, 0], costs[0] = GAP * np.arange(rows), GAP * np.arange(columns)
    ways = np.zeros((rows, columns), np.int64)  # where the cheapest way comes from: both, mine alone, other alone
    ways[1:, 0], ways[0, 1:] = 1, 2
    for i in range(1, rows):
        for j in range(1, columns):
            candidates = (
                costs[i - 1, j - 1] + _difference(mine[i - 1], other[j - 1]),
                costs[i - 1, j] + GAP,
                costs[i, j - 1] + GAP,
            )
            ways[i, j] = way = min(range(3), key=candidates.__getitem__)
            costs[i, j] = candidates[way]
    of_phone, i, j = [0] * len(other), rows - 1, columns - 1
    while j:
        way = int(ways[i, j])
        i -= way != 2
        j -= way != 1
        if way != 1:
            of_phone[j] = max(0, int(i) - (way == 2))
    ends = np.array([end for _, end in phones])
    middles = (np.arange(n_tokens) + 0.5) * TOKEN_SECONDS
    return [of_phone[k] for k in np.minimum(np.searchsorted(ends, middles, side="right"), len(phones) - 1)]


def ratio_of(name: str, largest: float) -> float:
    """How fast the utterance of this name is played in training: half of them as they are."""
    random = np.random.default_rng(derive_seed("stretch", name))
    return float(np.exp(random.uniform(-1, 1) * np.log(largest))) if random.random() < 0.5 else 1.0


def played(one: Utterance, ratio: float) -> Utterance:
    """The utterance `ratio` times as fast, which is that of a smaller speaker."""
    if ratio == 1.0:
        return one
    waveform = np.clip(stretch(one.waveform.astype(np.float32), ratio), -32767, 32767).astype(np.int16)
    return replace(one, waveform=waveform, phones=[(phone, end / ratio) for phone, end in one.phones])


def tokenised(
    encoder: torch.nn.Module, centres: Tensor, utterances: Sequence[Utterance], ratios: Sequence[float]
) -> Iterator[dict]:
    """Rows of tokens.jsonl."""
    for original, ratio in zip(utterances, ratios, strict=True):
        one = played(original, ratio)
        tokens = torch.cdist(posteriors(encoder, one.waveform), centres).argmin(dim=1).tolist()
        said = phonemize(add_full_stop(one.text), "en")
        yield {
            "name": one.name,
            "voice": one.voice,
            "text": one.text,
            "ratio": ratio,
            "phoneme_ids": list(map(int, said.ids)),
            "tokens": tokens,
            "places": places(said.symbols, one.phones, len(tokens)),
        }


def statistics(vectors: Sequence[Tensor], labels: Sequence[np.ndarray], voices: Sequence[int], centres: Tensor) -> dict:
    """Bits of a token and of its phone, what a token says of the phone and of the voice, and the phone error of a
    table from token to phone."""
    tokens = torch.cdist(torch.cat(list(vectors)), centres).argmin(dim=1).numpy()
    phones = np.concatenate(labels)
    speakers = np.repeat(voices, [len(v) for v in vectors])
    joint = np.zeros((len(centres), len(PHONES)))
    np.add.at(joint, (tokens, phones), 1)
    by_voice = np.zeros((len(centres), max(voices) + 1))
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


def main() -> None:
    settings, folder = load_settings().tokens, stage_folder("tokens")
    folder.mkdir(parents=True, exist_ok=True)
    with deterministic(settings.seed, settings.n_threads):
        encoder = load_content_encoder(stage_folder("content_encoder") / "content_encoder")
        random = np.random.default_rng(settings.seed)
        sample, labels, owners = [], [], []
        for number, (_, utterances) in enumerate(training_voices().items()):
            for i in random.permutation(len(utterances))[: settings.n_sampled]:
                vectors = posteriors(encoder, utterances[i].waveform)
                sample.append(vectors)
                labels.append(utterances[i].labels(len(vectors), TOKEN_SECONDS))
                owners.append(number)
        centres = k_means(torch.cat(sample), settings.n_centres, settings.seed)
        figures = statistics(sample, labels, owners, centres)
        print("tokens: " + "  ".join(f"{name} {value:.3f}" for name, value in figures.items()), flush=True)
        save_file({"centres": centres.contiguous()}, folder / "codebook.safetensors")
        (folder / "statistics.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    with (
        ProcessPoolExecutor(settings.n_threads, get_context("spawn")) as pool,
        (folder / "tokens.jsonl.partial").open("w", encoding="utf-8") as file,
    ):
        for lines in pool.map(lines_of, base_voices()):
            file.write(lines)
    (folder / "tokens.jsonl.partial").replace(folder / "tokens.jsonl")


def lines_of(voice: str) -> str:
    """The rows of one voice, as JSON Lines; the common texts as they were spoken."""
    settings, n_common = load_settings().tokens, load_settings().corpus.n_common
    utterances = read_corpus(stage_folder("corpus") / voice)
    ratios = [ratio_of(one.name, settings.largest_stretch) for one in utterances]
    ratios[-n_common:] = [1.0] * n_common
    with deterministic(settings.seed, n_threads=1):
        encoder = load_content_encoder(stage_folder("content_encoder") / "content_encoder")
        rows = list(tokenised(encoder, read_centres(), utterances, ratios))
    print(f"tokens: {voice}", flush=True)
    return "".join(json.dumps(row) + "\n" for row in rows)


def read_tokens(folder: Path | None = None) -> list[dict]:
    path = (folder or stage_folder("tokens")) / "tokens.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_centres(folder: Path | None = None) -> Tensor:
    """(n_centres, n_phones)"""
    return load_file((folder or stage_folder("tokens")) / "codebook.safetensors")["centres"]


if __name__ == "__main__":
    main()
