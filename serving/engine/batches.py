"""The batch lane: what `vox say` speaks, sentences of several requests together.

A request becomes sentences first. Then each batch takes sentences of all requests that speak with the same voice and
preset, one of each in turn, so that a book does not hold up a sentence. Batched sums are rounded differently, by at
most 1e-4 of full scale (Synthesizer.say_many).
"""

from __future__ import annotations

import time

import numpy as np

from gpt_sovits.synthesis.sentences import Sentence
from gpt_sovits.synthesis.speech import Timings
from gpt_sovits.synthesis.synthesizer import SpokenSentence, Synthesizer, choose_attempt
from serving.engine.scheduler import Scheduler
from serving.engine.speaking import Output, Speak


class BatchRequest:
    """A request of the batch lane and how far it is."""

    def __init__(self, speak: Speak, voice: Synthesizer, output: Output) -> None:
        """Begin with nothing read or said."""
        self.speak, self.voice, self.output = speak, voice, output
        self.sentences: list[Sentence] = []
        self.next_to_speak = self.next_to_send = speak.first_sentence
        self.is_ended = False
        self._spoken: dict[int, SpokenSentence] = {}

    @property
    def key(self) -> tuple[str, str]:
        """Return what requests have in common that share batches."""
        return self.speak.candidate, self.speak.preset

    @property
    def has_more(self) -> bool:
        """Return whether a sentence can be spoken now."""
        return not self.is_ended and self.next_to_speak < len(self.sentences) and not self.output.is_full

    def take(self, index: int, spoken: SpokenSentence) -> None:
        """Keep a spoken sentence, and send what is next in the order of the text."""
        if self.is_ended:
            return
        self._spoken[index] = spoken
        while (ready := self._spoken.pop(self.next_to_send, None)) is not None:
            is_last = self.next_to_send == len(self.sentences) - 1
            waveform = ready.waveform if is_last else np.concatenate((ready.waveform, self.voice.pause))
            self.output.timings += ready.timings
            self.output.piece(waveform, self.next_to_send)
            self.output.sentence(self.next_to_send, ready.report)
            self.next_to_send += 1
        if self.next_to_send == len(self.sentences):
            self.end()
            self.output.finish()

    def end(self) -> None:
        """Speak nothing more of it."""
        self.is_ended = True

    def fail(self, error: Exception) -> None:
        """Report why it cannot be said, once."""
        if not self.is_ended:
            self.end()
            self.output.fail(error)


class ReadingTask:
    """A task of the scheduler that reads the text of a request: sentences, phonemes, bounds."""

    is_stream = is_loading = False

    def __init__(self, request: BatchRequest) -> None:
        self.request = request

    def run(self) -> None:
        """Read the text. See scheduler.Task."""
        request, speak = self.request, self.request.speak
        begin = time.perf_counter()
        request.sentences = request.voice.sentences(speak.text, speak.seed, speak.language)
        request.output.timings += Timings(text=time.perf_counter() - begin)
        if speak.first_sentence >= len(request.sentences):  # all of it was delivered before the worker died
            request.end()
            request.output.finish()

    def is_blocked(self) -> bool:
        """Return False: reading waits for nobody."""
        return False

    def deadline(self) -> float:
        """Return 0. It is not asked."""
        return 0.0

    def add_busy(self, seconds: float) -> None:
        """Count the time of a turn."""
        self.request.output.busy += seconds

    def fail(self, error: Exception) -> None:
        """Report a text that cannot be spoken."""
        self.request.fail(error)


class BatchTask:
    """A task of the scheduler that speaks sentences of one or several requests together."""

    is_stream = is_loading = False

    def __init__(self, members: list[tuple[BatchRequest, int]], scheduler: Scheduler) -> None:
        """Prepare.

        Args:
            members: Each sentence as its request and its index, at least one. All have the same key.
            scheduler: Gives the turns.
        """
        self.members, self._scheduler = members, scheduler
        self._busy = 0.0

    def run(self) -> None:
        """Speak the sentences. See scheduler.Task."""
        voice = self.members[0][0].voice
        begin = time.perf_counter()
        attempts = voice.speak([request.sentences[index] for request, index in self.members])
        wall = time.perf_counter() - begin
        self._scheduler.count()
        for (request, index), tries in zip(self.members, attempts, strict=True):
            spoken = choose_attempt(request.sentences[index], tries)
            share = spoken.timings.total / wall if wall else 0.0
            request.output.busy += share * self._busy
            request.take(index, spoken)

    def is_blocked(self) -> bool:
        """Return False: a batch that was begun waits for nobody."""
        return False

    def deadline(self) -> float:
        """Return 0. It is not asked."""
        return 0.0

    @property
    def is_wanted(self) -> bool:
        """Return whether anybody still waits for one of its sentences."""
        return any(not request.is_ended for request, _ in self.members)

    def add_busy(self, seconds: float) -> None:
        """Count the time of a turn."""
        self._busy += seconds

    def fail(self, error: Exception) -> None:
        """Report a fault to every request of the batch."""
        for request, _ in self.members:
            request.fail(error)


def next_batch(requests: list[BatchRequest], size: int, scheduler: Scheduler) -> BatchTask | None:
    """Return the next batch of at most `size` sentences, None where nobody has one to speak.

    The oldest request decides the voice. Requests with the same voice and preset give one sentence each in turn.

    Args:
        requests: Oldest first.
        size: Sentences of a batch.
        scheduler: Gives the turns.
    """
    ready = [request for request in requests if request.has_more]
    if not ready:
        return None
    sharing = [request for request in ready if request.key == ready[0].key]
    members: list[tuple[BatchRequest, int]] = []
    while len(members) < size and sharing:
        for request in sharing[: size - len(members)]:
            members.append((request, request.next_to_speak))
            request.next_to_speak += 1
        sharing = [request for request in sharing if request.next_to_speak < len(request.sentences)]
    return BatchTask(members, scheduler)
