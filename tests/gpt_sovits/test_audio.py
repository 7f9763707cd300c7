"""Audio: waveforms as 16-bit samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gpt_sovits.audio import pcm16


def test_full_scale_does_not_wrap_around():
    assert pcm16(np.array([1.0, -1.0, 0.0, 1.0 + 1e-7, 0.5], np.float32)).tolist() == [32767, -32767, 0, 32767, 16384]


@given(arrays(np.float32, st.integers(0, 50), elements=st.floats(-1, 1, width=32)))
def test_samples_are_rounded_to_the_nearest_step(waveform):
    samples = pcm16(waveform)
    assert samples.dtype == np.int16
    assert np.abs(samples / 32767 - waveform).max(initial=0.0) <= 0.5001 / 32767


@pytest.mark.parametrize("wrong", [1.1, -2.0, np.nan, np.inf])
def test_samples_that_cannot_be_stored_are_refused(wrong):
    with pytest.raises(ValueError, match=r"they must be in \[-1, 1\]"):
        pcm16(np.array([0.0, wrong], np.float32))
