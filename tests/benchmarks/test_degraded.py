"""The benchmark writes every recording in the condition that it names, and counts refusals by reason."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from benchmarks.degraded import CONDITIONS, Degraded, table, write_recordings
from benchmarks.nonspeech import SAMPLE_RATE
from stages.tables import AlignedClip, Reject


def recordings(folder):
    """Two bursts of a tone of half a second, each with silence after it, at another rate."""
    (folder / "wavs").mkdir(parents=True)
    (folder / "metadata.csv").write_text("a|One.|one\nb|Two.|two\n")
    tone = np.concatenate([np.sin(np.arange(11_025) / 20) * 0.99, np.zeros(11_025)])
    for name in "ab":
        soundfile.write(folder / f"wavs/{name}.wav", tone, 22_050)
    return folder


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_recording_is_written_with_its_text_and_without_clipping(tmp_path, condition):
    source, target = recordings(tmp_path / "source"), tmp_path / "target"
    target.mkdir()
    assert write_recordings(source, target, CONDITIONS[condition], np.random.default_rng(0)) == 2
    assert (target / "metadata.csv").read_text() == (source / "metadata.csv").read_text()
    for name in "ab":
        sound, rate = soundfile.read(target / f"wavs/{name}.flac")
        assert (rate, len(sound)) == (SAMPLE_RATE, SAMPLE_RATE) and 0 < np.abs(sound).max() <= 0.9001
        after = np.abs(sound[SAMPLE_RATE * 6 // 10 : SAMPLE_RATE * 9 // 10]).max()
        assert (after > 0.01) == (condition != "as recorded")


def clip(reason: str, cer: float) -> AlignedClip:
    return AlignedClip.model_construct(clip_id="c", kept=not reason, reason=reason, cer=cer)


def test_refusals_are_counted_by_reason_whichever_stage_gave_them():
    one = Degraded(
        condition="music at 10 dB",
        n_recordings=5,
        clips=(clip("", 0.1), clip("words do not fit: 0.5", 0.2), clip("words do not fit: 0.7", 0.3)),
        n_reported=1,
        refused_before=(Reject(path="a.flac", reason="no speech found"),),
    )
    assert one.reasons == {"words do not fit": 2, "no speech found": 1}
    line = table([one]).splitlines()[-1]
    assert line == "| music at 10 dB | 5 | 3 | 1 | 1 | 0.200 | 2: words do not fit, 1: no speech found |"
