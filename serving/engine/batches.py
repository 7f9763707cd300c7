"""The batch lane: what `vox say` speaks, sentences of several requests together.

A request becomes sentences first. Then each batch takes sentences of all requests that speak with the same voice and
preset, one of each in turn. Voices and presets, and requests beyond the size of a batch, take turns too. So a book does
not hold up a sentence, whoever speaks it. Batched sums are rounded differently, by at
most 1e-4 of full scale (Synthesizer.say_many). A sentence that the cache knows, or that stands in the batch already
(serving/caches/sentences.py says when two are the same), is not spoken again.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from gpt_sovits.synthesis.sentences import Sentence
from gpt_sovits.synthesis.speech import Timings
from gpt_sovits.synthesis.synthesizer import SpokenSentence, Synthesizer, choose_attempt
from gpt_sovits.synthesis.word_times import word_times
from serving.caches.sentences import Pronunciation, SentenceCache, sentence_key
from serving.engine.scheduler import Scheduler
from serving.engine.speaking import Output, Speak


class BatchRequest:
    """A request of the batch lane and how far it is."""

    def __init__(
        self, speak: Speak, voice: Synthesizer, output: Output, *, cache: SentenceCache, how: Pronunciation
    ) -> None:
        """Begin with nothing read or said.

        Args:
            speak: The request.
            voice: The pair, with the preset of the request.
            output: Where its events go.
            cache: Knows sentences that were spoken before.
            how: The part of their keys that is the same for all.
        """
        self.speak, self.voice, self.output = speak, voice, output
        self.cache, self._how = cache, how
        self.sentences: list[Sentence] = []
        self.next_to_speak = self.next_to_send = speak.first_sentence
        self.is_ended = False
        self.last_turn: tuple[int, float] | None = None  # number of the batch it was in and its place there
        self._asked = -1  # the sentence of which the cache knew nothing below its memory
        self._spoken: dict[int, tuple[SpokenSentence, bool]] = {}

    @property
    def key(self) -> tuple[str, str]:
        """Return what requests have in common that share batches."""
        return self.speak.candidate, self.speak.preset

    @property
    def has_more(self) -> bool:
        """Return whether a sentence can be spoken now."""
        return not self.is_ended and self.next_to_speak < len(self.sentences) and not self.output.is_full

    def sentence_key(self, index: int) -> str:
        """Return what two sentences have in common that sound the same."""
        return sentence_key(self._how, self.sentences[index])

    def with_times(self, index: int, spoken: SpokenSentence) -> SpokenSentence:
        """Return a sentence whose report tells when its words are said, if the client wants to know.

        Args:
            index: Of the sentence.
            spoken: As it was spoken.
        """
        if not self.speak.word_times or spoken.tokens is None:
            return spoken
        heard = (self.sentences[index], spoken.tokens, spoken.waveform)
        words = word_times(self.voice, *heard, language=self.speak.language)
        return replace(spoken, report=replace(spoken.report, words=words))

    def take_known(self) -> None:
        """Send the next sentences as far as the cache knows them and the client takes them.

        A sentence that waits for its turn is looked for in the memory only, where it comes if another request says it.
        """
        while self.has_more:
            index = self.next_to_speak
            asked, self._asked = self._asked, index
            known = self.cache.get(self.sentence_key(index), self.sentences[index], only_memory=index == asked)
            if known is None:
                return
            self.next_to_speak += 1
            self.take(index, known, is_cached=True)

    def take(self, index: int, spoken: SpokenSentence, *, is_cached: bool = False) -> None:
        """Keep a sentence, and send what is next in the order of the text.

        Args:
            index: Of the sentence.
            spoken: Its sound and report.
            is_cached: Whether it was spoken for somebody else.
        """
        if self.is_ended:
            return
        self._spoken[index] = spoken, is_cached
        while self.next_to_send in self._spoken:
            ready, is_known = self._spoken.pop(self.next_to_send)
            is_last = self.next_to_send == len(self.sentences) - 1
            waveform = ready.waveform if is_last else np.concatenate((ready.waveform, self.voice.pause))
            self.output.timings += ready.timings
            self.output.piece(waveform, self.next_to_send, is_cached=is_known)
            self.output.sentence(self.next_to_send, ready.report, is_cached=is_known)
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


Member = tuple[BatchRequest, int]  # a request, and the index of its sentence


class ReadingTask:
    """A task of the scheduler that reads the text of a request: sentences, phonemes, bounds."""

    is_stream = is_loading = False

    def __init__(self, request: BatchRequest) -> None:
        self.request = request

    def run(self) -> None:
        """Read the text. See scheduler.Task."""
        request, speak = self.request, self.request.speak
        request.output.note_begin()
        begin = time.perf_counter()
        request.sentences = request.voice.sentences(speak.text, speak.seed, speak.language)
        reading = Timings(text=time.perf_counter() - begin)
        request.output.timings += reading
        request.output.note_work(reading)
        if speak.first_sentence >= len(request.sentences):  # all of it was delivered before the worker died
            request.end()
            request.output.finish()
        request.take_known()

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

    def __init__(self, members: dict[str, list[Member]], scheduler: Scheduler) -> None:
        """Prepare.

        Args:
            members: By the key of each sentence, at least one who wants it. All share a voice and a preset.
            scheduler: Gives the turns.
        """
        self._members, self._scheduler = members, scheduler
        self._busy = 0.0

    @property
    def members(self) -> list[Member]:
        """Return each request and the index of its sentence, with those that want the same one."""
        return [member for same in self._members.values() for member in same]

    def run(self) -> None:
        """Speak the sentences. See scheduler.Task."""
        firsts = [same[0] for same in self._members.values()]
        voice = firsts[0][0].voice
        begin = time.perf_counter()
        attempts = voice.speak([request.sentences[index] for request, index in firsts])
        wall = time.perf_counter() - begin
        self._scheduler.count()
        chosen = [
            request.with_times(index, choose_attempt(request.sentences[index], tries))
            for (request, index), tries in zip(firsts, attempts, strict=True)
        ]
        work = sum((spoken.timings for spoken in chosen), Timings())
        for request in {request for request, _ in firsts}:
            request.output.note_work(work, n_sentences=len(firsts))
        for (key, same), spoken in zip(self._members.items(), chosen, strict=True):
            request, index = same[0]
            request.cache.put(key, spoken)
            share = spoken.timings.total / wall if wall else 0.0
            request.output.busy += share * self._busy
            request.take(index, spoken)
            for other, place in same[1:]:
                other.take(place, replace(spoken, timings=Timings()), is_cached=True)

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
    """Return the next batch of at most `size` different sentences, None where nobody has one to speak.

    The request that has waited for its turn longest decides the voice. Requests with the same voice and preset give one
    sentence each in turn. A new request comes before those of the batch before and after those that wait already, so
    that neither holds up the other.

    Args:
        requests: Oldest first.
        size: Sentences of a batch.
        scheduler: Gives the turns.
    """
    newest = max((request.last_turn[0] for request in requests if request.last_turn is not None), default=0)
    for request in requests:
        if request.last_turn is None:
            request.last_turn = newest - 1, math.inf
    members: dict[str, list[Member]] = {}
    sharing = sorted(requests, key=lambda request: request.last_turn)
    while sharing:
        still_sharing = []
        for request in sharing:
            request.take_known()
            if not request.has_more or (members and request.key != next(iter(members.values()))[0][0].key):
                continue
            key = request.sentence_key(request.next_to_speak)
            if key not in members and len(members) == size:
                continue
            members.setdefault(key, []).append((request, request.next_to_speak))
            request.next_to_speak += 1
            request.last_turn = newest + 1, sum(map(len, members.values()))
            still_sharing.append(request)
        sharing = still_sharing
    return BatchTask(members, scheduler) if members else None
