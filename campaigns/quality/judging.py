"""The process that hears assets, as the process that speaks sees it. This module imports no torch.

The process is started at the first asset that is judged. One that dies is started again, once per asset.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from campaigns.errors import CampaignError

START_SECONDS = 180.0  # to import torch and load Whisper
HEAR_SECONDS = 120.0
HEAR_SECONDS_PER_SECOND = 5.0  # of audio: a large Whisper on one core of a CPU is slower than the speech
BYTES_PER_SAMPLE = 2
N_TRIES = 2
MAX_LINE_BYTES = 1 << 20
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the judges heard in an asset.

    Attributes:
        wer: Word error rate, at least 0. In languages without spaces the character error rate.
        similarity: Cosine with the recordings of the speaker, None where it was not judged or no speaker is heard.
    """

    wer: float
    similarity: float | None


class Judge(Protocol):
    """Hears assets, in a process of its own."""

    async def hear(self, samples: Path, sample_rate: int, *, text: str, language: str, voice: str | None) -> Judgement:
        """Judge a file of int16 samples.

        Args:
            samples: The file.
            sample_rate: Samples per second.
            text: What should be heard.
            language: ISO 639 code of the text.
            voice: Whose recordings it is compared with, None where similarity is not judged.

        Raises:
            JudgeLostError: It cannot be judged now.
        """
        ...

    async def check(self, *, language: str | None, voice: str | None) -> None:
        """Load what is needed to judge assets.

        Args:
            language: ISO 639 code of their texts, None where it is not known yet.
            voice: Whose recordings they are compared with, None where similarity is not judged.

        Raises:
            JudgeLostError: They cannot be judged here.
        """
        ...


class JudgeLostError(CampaignError):
    """The judges cannot be used."""

    status, type = 503, "judge_lost"
    action = "Tell the operator. `vox doctor` says which judge is missing."


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """Which judges hear assets.

    Attributes:
        asr: Name of the ASR judge, see metrics/judges/asr.py.
        speaker: Name of the speaker judge, see metrics/judges/speaker.py.
        asr_weights: Folder of its weights, None for those of its package.
        speaker_weights: The same of the speaker judge.
        recordings: Folder of the recordings of each voice. Similarity is judged for these voices only.
    """

    asr: str
    speaker: str
    asr_weights: Path | None = None
    speaker_weights: Path | None = None
    recordings: Mapping[str, Path] = field(default_factory=dict)

    def command(self) -> list[str]:
        """Return the command line of the process."""
        raw = {name: value for name, value in vars(self).items() if value is not None}
        raw["recordings"] = {voice: str(folder) for voice, folder in self.recordings.items()}
        text = json.dumps({name: value if isinstance(value, dict) else str(value) for name, value in raw.items()})
        return [sys.executable, "-m", "campaigns.quality.process", text]


class JudgeProcess:
    """Hears one asset after the other in a process with torch and Whisper."""

    def __init__(self, options: JudgeOptions) -> None:
        """Prepare. The process is started when it is needed."""
        self._options, self._turn = options, asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def hear(self, samples: Path, sample_rate: int, *, text: str, language: str, voice: str | None) -> Judgement:
        """Judge a file of int16 samples. See Judge."""
        question = {"file": str(samples), "sample_rate": sample_rate, "text": text, "language": language}
        seconds = samples.stat().st_size / BYTES_PER_SAMPLE / sample_rate
        limit = HEAR_SECONDS + HEAR_SECONDS_PER_SECOND * seconds
        return Judgement(**await self._ask(question | {"voice": voice}, limit))

    async def check(self, *, language: str | None, voice: str | None) -> None:
        """Load the judges. See Judge."""
        await self._ask({"language": language, "voice": voice}, HEAR_SECONDS)

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._stop()

    async def _ask(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        async with self._turn:
            for _ in range(N_TRIES):
                answer = None
                try:
                    with suppress(OSError, EOFError, TimeoutError, ValueError):
                        answer = await self._ask_once(question, seconds)
                except asyncio.CancelledError:  # its answer would be taken for that of the next question
                    await self._stop()
                    raise
                if answer is None:
                    await self._stop()
                elif "error" in answer:
                    raise JudgeLostError(f"the judges cannot be used: {answer['error']}", retry_after=5)
                else:
                    return answer
        raise JudgeLostError("the process of the judges died twice", retry_after=5)

    async def _ask_once(self, question: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self._process is None:
            seconds += START_SECONDS
            self._process = await asyncio.create_subprocess_exec(
                *self._options.command(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=MAX_LINE_BYTES,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        await process.stdin.drain()
        line = await asyncio.wait_for(process.stdout.readline(), seconds)
        if not line:
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def faults_of(judgement: Judgement, max_wer: float, min_similarity: float | None) -> list[tuple[str, str]]:
    """Return why an asset is not good enough, each reason in a word and in a sentence.

    Args:
        judgement: What was heard.
        max_wer: Largest word error rate.
        min_similarity: Smallest similarity, None where it does not count.
    """
    found = []
    if judgement.wer > max_wer:
        found.append(("wer", f"word error rate {judgement.wer:.2f} is above {max_wer:g}"))
    if min_similarity is not None and (judgement.similarity is None or judgement.similarity < min_similarity):
        heard = "none" if judgement.similarity is None else f"{judgement.similarity:.2f}"
        found.append(("similarity", f"speaker similarity {heard} is below {min_similarity:g}"))
    return found
