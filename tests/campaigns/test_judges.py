"""The process of the judges: it hears what was said, and its end ends nothing else."""

from __future__ import annotations

import asyncio
import os
import sys

import numpy as np
import pytest
import soundfile
from imports import ROOT

from campaigns.quality.judging import JudgeLostError, Judgement, JudgeOptions, JudgeProcess, faults_of

SAMPLE = ROOT / "data/1_recordings/sample"


def test_what_is_above_the_word_error_rate_or_unlike_the_speaker_is_not_good_enough():
    assert faults_of(Judgement(wer=0.2, similarity=None), 0.2, None) == []
    assert [kind for kind, _ in faults_of(Judgement(wer=0.3, similarity=0.1), 0.2, 0.4)] == ["wer", "similarity"]
    assert [kind for kind, _ in faults_of(Judgement(wer=0.0, similarity=None), 0.2, 0.4)] == ["similarity"]


def test_a_judge_that_cannot_be_loaded_is_an_error_and_not_a_good_mark(tmp_path):
    judge = JudgeProcess(JudgeOptions(asr="faster-whisper-none", speaker="ecapa_small", asr_weights=tmp_path))

    async def scenario():
        try:
            with pytest.raises(JudgeLostError, match="cannot be used"):
                await judge.check(language=None, voice=None)
        finally:
            await judge.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"language": "en", "voice": "nobody"}, "no recordings of nobody"),
        ({"language": "zh", "voice": None}, "cannot hear language 'zh'"),
    ],
)
def test_what_cannot_be_judged_is_known_before_a_word_is_spoken(asked, message):
    judge = JudgeProcess(JudgeOptions(asr="faster-whisper-tiny.en", speaker="ecapa_small"))

    async def scenario():
        try:
            await judge.check(language="en", voice=None)
            with pytest.raises(JudgeLostError, match=message):
                await judge.check(**asked)
        finally:
            await judge.close()

    asyncio.run(scenario())


class SlowJudge(JudgeOptions):
    """A process that hears a word error rate that is written in the text, after half a second."""

    def command(self) -> list[str]:
        program = (
            "import json, sys, time\n"
            "for line in sys.stdin:\n"
            "    time.sleep(0.5)\n"
            "    print(json.dumps({'wer': float(json.loads(line)['text']), 'similarity': None}), flush=True)\n"
        )
        return [sys.executable, "-c", program]


def test_the_answer_to_a_question_that_was_given_up_is_not_that_of_the_next(tmp_path):
    judge, samples = JudgeProcess(SlowJudge(asr="none", speaker="none")), tmp_path / "samples"
    samples.touch()

    async def hear(wer):
        return (await judge.hear(samples, 32_000, text=str(wer), language="en", voice=None)).wer

    async def scenario():
        try:
            assert await hear(0.1) == 0.1
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(hear(0.2), 0.1)
            return await hear(0.3)
        finally:
            await judge.close()

    assert asyncio.run(scenario()) == 0.3


def test_a_long_asset_has_more_time_to_be_heard(tmp_path, monkeypatch):
    monkeypatch.setattr("campaigns.quality.judging.HEAR_SECONDS", 0.05)
    monkeypatch.setattr("campaigns.quality.judging.START_SECONDS", 0.05)
    short, long = tmp_path / "short", tmp_path / "long"
    np.zeros(800, "<i2").tofile(short)
    np.zeros(80_000, "<i2").tofile(long)
    judge = JudgeProcess(SlowJudge(asr="none", speaker="none"))

    async def scenario():
        try:
            heard = await judge.hear(long, 32_000, text="0.1", language="en", voice=None)
            with pytest.raises(JudgeLostError):
                await judge.hear(short, 32_000, text="0.1", language="en", voice=None)
            return heard.wer
        finally:
            await judge.close()

    assert asyncio.run(scenario()) == 0.1


@pytest.mark.slow
def test_a_recording_is_heard_and_recognised_also_after_the_process_was_killed(tmp_path):
    name, text, *_ = (SAMPLE / "metadata.csv").read_text(encoding="utf-8").splitlines()[0].split("|")
    waveform, rate = soundfile.read(next((SAMPLE / "wavs").glob(f"{name}.*")), dtype="float32")
    file = tmp_path / "samples"
    (waveform * 32767).astype("<i2").tofile(file)
    options = JudgeOptions(asr="faster-whisper-tiny.en", speaker="ecapa_small", recordings={"sample": SAMPLE})
    judge = JudgeProcess(options)

    async def scenario():
        said = {"text": text, "language": "en", "voice": "sample"}
        right = await judge.hear(file, rate, **said)
        os.kill(judge._process.pid, 9)
        again = await judge.hear(file, rate, **said)
        other = await judge.hear(file, rate, text="Nobody said any of these words.", language="en", voice=None)
        np.zeros(rate, "<i2").tofile(file)
        silence = await judge.hear(file, rate, **said)
        await judge.close()
        return right, again, other, silence

    right, again, other, silence = asyncio.run(scenario())
    assert right == again
    assert right.wer < 0.4
    assert right.similarity > 0.5
    assert other.wer > 0.7
    assert silence == Judgement(wer=1.0, similarity=None)
