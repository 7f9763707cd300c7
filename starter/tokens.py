"""Stage tokens: the codebook, and everything that the GPT reads: each utterance as phonemes and semantic tokens.

    python -m starter.tokens

A token is the k-means cell of the square root of the phone posteriors, averaged over its two frames. The quantiser of
SoVITS needs no training then: its projection is that average and its centres are the k-means centres.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gpt_sovits.content_encoder import extract_ssl_features, load_content_encoder
from gpt_sovits.determinism import deterministic
from gpt_sovits.synthesis.sentences import finished
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.weights.scratch import k_means
from starter.phones import NUMBER_OF, PHONES, SILENCE
from starter.settings import corpus_folder, encoder_folder, load_settings, tokens_folder
from starter.speech import base_voices, training_voices
from starter.store import Utterance, read_corpus

TOKEN_SECONDS = 0.04


@torch.inference_mode()
def posteriors(encoder: torch.nn.Module, waveform: np.ndarray) -> Tensor:
    """(n,) int16 -> (n_tokens, n_phones): the square roots, averaged over the two frames of a token."""
    features = extract_ssl_features(encoder, torch.from_numpy(waveform.astype(np.float32) / 32768)[None])[0]
    n_tokens = features.shape[1] // 2
    return features[:, : 2 * n_tokens].reshape(len(features), n_tokens, 2).mean(dim=2).T


def places(phonemes: Sequence[str], phones: Sequence[tuple[str, float]], n_tokens: int) -> list[int]:
    """Which of the front end's phonemes is being said in each token: the two transcriptions, aligned by edit distance.

    phonemes: symbols of the front end, with stress digits and punctuation; phones: (phone, its end in seconds)
    """
    mine = [symbol.rstrip("012").lower() for symbol in phonemes]
    mine = [name if name in NUMBER_OF and name != SILENCE else SILENCE for name in mine]
    other = [phone for phone, _ in phones]
    rows, columns = len(mine) + 1, len(other) + 1
    cost = np.zeros((rows, columns))
    cost[:, 0], cost[0] = 0.8 * np.arange(rows), 0.8 * np.arange(columns)
    for i in range(1, rows):
        for j in range(1, columns):
            replace = 0.0 if mine[i - 1] == other[j - 1] else (1.6 if SILENCE in (mine[i - 1], other[j - 1]) else 1.0)
            cost[i, j] = min(cost[i - 1, j - 1] + replace, cost[i - 1, j] + 0.8, cost[i, j - 1] + 0.8)
    of_phone, i, j = [0] * len(other), rows - 1, columns - 1
    while j:
        replace = np.inf
        if i:
            replace = 0.0 if mine[i - 1] == other[j - 1] else (1.6 if SILENCE in (mine[i - 1], other[j - 1]) else 1.0)
        if i and np.isclose(cost[i, j], cost[i - 1, j - 1] + replace):
            i, j = i - 1, j - 1
            of_phone[j] = i
        elif np.isclose(cost[i, j], cost[i, j - 1] + 0.8):
            j -= 1
            of_phone[j] = max(0, i - 1)
        else:
            i -= 1
    ends = np.array([end for _, end in phones])
    middles = (np.arange(n_tokens) + 0.5) * TOKEN_SECONDS
    return [of_phone[k] for k in np.minimum(np.searchsorted(ends, middles, side="right"), len(phones) - 1)]


def tokenised(encoder: torch.nn.Module, centres: Tensor, utterances: Sequence[Utterance]) -> Iterator[dict]:
    """Rows of tokens.jsonl."""
    for one in utterances:
        tokens = torch.cdist(posteriors(encoder, one.waveform), centres).argmin(dim=1).tolist()
        said = phonemize(finished(one.text), "en")
        yield {
            "name": one.name,
            "voice": one.voice,
            "text": one.text,
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
    settings = load_settings().tokens
    folder = tokens_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with deterministic(settings.seed, settings.n_threads):
        encoder = load_content_encoder(encoder_folder() / "content_encoder")
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
        with (folder / "tokens.jsonl.partial").open("w", encoding="utf-8") as file:
            for voice in base_voices():
                for row in tokenised(encoder, centres, read_corpus(corpus_folder() / voice)):
                    file.write(json.dumps(row) + "\n")
                print(f"tokens: {voice}", flush=True)
        (folder / "tokens.jsonl.partial").replace(folder / "tokens.jsonl")


def read_tokens(folder: Path | None = None) -> list[dict]:
    path = (folder or tokens_folder()) / "tokens.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_centres(folder: Path | None = None) -> Tensor:
    """(n_centres, n_phones)"""
    return load_file((folder or tokens_folder()) / "codebook.safetensors")["centres"]


if __name__ == "__main__":
    main()
