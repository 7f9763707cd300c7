"""The errors that metrics and judges raise on purpose. This module imports nothing heavy."""

from __future__ import annotations


class MetricsError(Exception):
    """The base of the exceptions of this package."""

    exit_code: int = 2


class JudgeUnavailableError(MetricsError, RuntimeError):
    """A judge cannot be loaded here. The message says what is missing, where to put it, and how to get it."""


class AlignmentError(MetricsError, ValueError):
    """A text does not fit the audio: other words, too little audio, or a word without a pronunciation."""


class NoOtherSpeakersError(MetricsError, ValueError):
    """A speaker judge has no usable table of other speakers."""
