"""The utterances that are scored: synthesised prompts, held-out recordings, and the voice saying the same as those."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from gpt_sovits.audio import save_flac
from gpt_sovits.synthesis.speech import Speech
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.text.frontend import phonemize
from metrics.prompts import Prompt
from stages.clip_audio import clip_file
from stages.evaluation.inputs import ScoringInputs, VoiceFolders
from stages.evaluation.scoring import Utterance
from stages.execution.progress import report_progress
from stages.tables import AlignedClip, FeatureClip, read_table


class UtteranceTiming(NamedTuple):
    """How long the synthesis of one prompt took."""

    prompt_id: str
    seconds: float  # of the audio
    synthesis_seconds: float  # by the wall clock


class Speaker(Protocol):
    """What says a text: a Synthesizer, or one in another lane."""

    def say(self, text: str, seed: int = 0, language: str | None = None) -> Speech:
        """Speak a text. The same text, seed and language give the same samples."""

    def expected_seconds(self, text: str, language: str | None = None) -> float:
        """Return how long the text takes at the voice's pace."""


def synthesize_prompts(
    synthesizer: Speaker,
    prompts: Iterable[Prompt],
    seeds: Iterable[int],
    folder: Path,
    reference_clip_text: str,
    timings: list[UtteranceTiming],
    language: str | None = None,
) -> Iterator[Utterance]:
    """Synthesise every prompt with every seed as FLAC.

    An utterance is made when the next one is requested, so the judges can start with the first.

    Args:
        synthesizer: the voice.
        prompts: what it says.
        seeds: sampling seeds, in the order in which each prompt is said.
        folder: gets PROMPT_ID-SEED.flac.
        reference_clip_text: transcript of the reference clip, which must not be heard in the speech.
        timings: gets one row per utterance. Timings differ from run to run, so they are kept out of the scores.
        language: ISO 639 code of the prompts. None: the voice's own language.

    Yields:
        The utterances, ordered by prompt, then by seed.
    """
    folder.mkdir(exist_ok=True)
    planned = list(itertools.product(prompts, tuple(seeds)))
    for prompt, seed in report_progress(planned, len(planned), "evaluate: synthesised {} utterances"):
        begin = time.perf_counter()
        speech = synthesizer.say(prompt.text, seed, language)
        elapsed = time.perf_counter() - begin
        path = folder / f"{prompt.id}-{seed}.flac"
        save_flac(path, speech.waveform, speech.sample_rate)
        timings.append(UtteranceTiming(prompt.id, len(speech.waveform) / speech.sample_rate, elapsed))
        yield Utterance(
            prompt_id=prompt.id,
            category=prompt.category,
            seed=seed,
            text=prompt.normalized,
            audio=path,
            relative_path=f"{folder.name}/{path.name}",
            expected_seconds=synthesizer.expected_seconds(prompt.text, language),
            reference_clip_text=reference_clip_text,
        )


def held_out_utterances(folders: VoiceFolders, inputs: ScoringInputs, language: str) -> list[Utterance]:
    """Return the voice's held-out recordings as utterances, which are scored like synthesised speech.

    Args:
        folders: where the clips and their tables are.
        inputs: the voice's pace and lexicon.
        language: ISO 639 code of the recordings.
    """
    paths = {
        clip.clip_id: clip_file(clip, folders.clips, folders.aligned)
        for clip in read_table(folders.aligned / "clips.jsonl", AlignedClip)
    }
    return [
        Utterance(
            prompt_id=clip.clip_id,
            category="held_out",
            seed=0,
            text=clip.text,
            audio=paths[clip.clip_id],
            relative_path="",
            expected_seconds=len(phonemize(clip.text, language, inputs.lexicon).ids)
            * inputs.reference_clip.seconds_per_phoneme,
        )
        for clip in read_table(folders.features / "clips.jsonl", FeatureClip)
        if clip.split == "held_out"
    ]


def keep_recordings(recordings: Sequence[Utterance], folder: Path) -> list[Utterance]:
    """Copy recordings into the score folder, so that a report and the registry have them beside the voice.

    Returns:
        The same utterances with their place in the score folder. Their audio is still the original.
    """
    folder.mkdir()
    for recording in recordings:
        shutil.copyfile(recording.audio, folder / recording.audio.name)
    return [replace(recording, relative_path=f"{folder.name}/{recording.audio.name}") for recording in recordings]


def resynthesize(
    synthesizer: Synthesizer, recordings: Sequence[Utterance], seed: int, folder: Path, reference_clip_text: str
) -> list[Utterance]:
    """Synthesise the text of each recording, which a listener hears beside the speaker's own voice.

    Args:
        synthesizer: the voice.
        recordings: held-out recordings.
        seed: sampling seed.
        folder: gets RECORDING-SEED.flac. It must not exist.
        reference_clip_text: transcript of the reference clip, which must not be heard in the speech.
    """
    folder.mkdir()
    utterances = []
    for recording in recordings:
        speech = synthesizer.say(recording.text, seed)
        path = folder / f"{recording.audio.stem}-{seed}.flac"
        save_flac(path, speech.waveform, speech.sample_rate)
        utterances.append(
            replace(
                recording,
                category="resynthesis",
                seed=seed,
                audio=path,
                relative_path=f"{folder.name}/{path.name}",
                expected_seconds=synthesizer.expected_seconds(recording.text),
                reference_clip_text=reference_clip_text,
            )
        )
    return utterances
