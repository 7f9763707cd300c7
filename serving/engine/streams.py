"""The real-time lane: one text as a stream, its first candidates as they come."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from gpt_sovits.lanes import LANE_OPTIONS, REALTIME
from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.synthesizer import Synthesizer
from serving.engine.scheduler import Scheduler
from serving.engine.speaking import Output, Speak


class StreamTask:
    """A task of the scheduler that speaks one text in real time."""

    is_stream, is_loading = True, False

    def __init__(self, speak: Speak, voice: Synthesizer, output: Output, scheduler: Scheduler) -> None:
        """Prepare.

        Args:
            speak: The request.
            voice: The pair, with the preset of the request.
            output: Where its events go.
            scheduler: Gives the turns. One ends with each chunk, because others may be more urgent from then on.
        """
        self._speak, self._voice, self.output, self._scheduler = speak, voice, output, scheduler

    def run(self) -> None:
        """Speak the text. See scheduler.Task."""
        speak, options = self._speak, LANE_OPTIONS[REALTIME]
        if speak.continues:
            options = replace(options, kept_silence=None)
        self.output.note_begin()
        chunks = stream(self._voice, speak.text, speak.seed, options, speak.language, with_words=speak.word_times)
        with closing(chunks):
            for chunk in chunks:
                self.output.timings += chunk.timings
                self.output.note_work(chunk.timings, sentence=chunk.sentence)
                self.output.piece(chunk.waveform, chunk.sentence)
                if chunk.report is not None:
                    self.output.sentence(chunk.sentence, chunk.report)
                self._scheduler.end_turn()
        self._scheduler.count()
        self.output.finish()

    def is_blocked(self) -> bool:
        """Return whether its client must take sound first."""
        return self.output.is_full

    def deadline(self) -> float:
        """Return when the listener runs dry: the end of what was sent, or the arrival before anything was."""
        return self.output.first_sent + self.output.seconds_sent if self.output.sent_bytes else self.output.started

    def add_busy(self, seconds: float) -> None:
        """Count the time of a turn."""
        self.output.busy += seconds

    def fail(self, error: Exception) -> None:
        """Report a fault. See scheduler.Task."""
        self.output.fail(error)
