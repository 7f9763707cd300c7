"""What is admitted: as much speech as the workers can make in time, by what they were measured to make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from gpt_sovits.text.sentences import width
from serving.engine.process import WorkerProcess
from serving.errors import NotReadyError, OverCapacityError, VoiceDamagedError
from serving.messages import Lane
from serving.settings import EngineSettings

SECONDS_PER_CHARACTER = 0.07  # of speech, until the first text was priced
LEAST_SECONDS_PER_LETTER = 0.02  # a third of what usual readers take, as a preset may be faster
PACE_WEIGHT = 0.2  # of the newest text in the running mean
SLOWNESS = 1.25  # by which speech may take longer than its price and the measured speed say
SLACK_SECONDS = 0.5  # for what was begun and is not counted, such as the chunk that is made now


class Waiting:
    """The requests of a lane that are being priced. They take room, and their speech is waited for too.

    Attributes:
        n: How many they are.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.n, self._n_characters, self._pace = 0, 0, SECONDS_PER_CHARACTER

    @property
    def seconds(self) -> float:
        """Return how long their speech is about, by what texts of their length were priced at before."""
        return self._n_characters * self._pace

    def begin(self, text: str) -> None:
        """Count a text that is about to be priced."""
        self.n, self._n_characters = self.n + 1, self._n_characters + len(text)

    def end(self, text: str, seconds: float | None) -> None:
        """Count a text no more.

        Args:
            text: The text.
            seconds: Its price, None where it was refused.
        """
        self.n, self._n_characters = self.n - 1, self._n_characters - len(text)
        if seconds is not None:
            self._pace = (1 - PACE_WEIGHT) * self._pace + PACE_WEIGHT * seconds / max(1, len(text))


def choose_worker(
    workers: Sequence[WorkerProcess],
    settings: EngineSettings,
    *,
    lane: Lane,
    candidate: str,
    seconds: float,
    damaged: bool = False,
    waiting: Waiting | None = None,
    is_admitted: bool = False,
) -> WorkerProcess:
    """Return the worker that has the least to do and room for a request.

    Args:
        workers: Those that are ready.
        settings: The limits.
        lane: Of the request.
        candidate: Id of the pair that speaks it.
        seconds: Its price.
        damaged: Whether the files of the pair could not be loaded again.
        waiting: Requests of the lane that came before it and are being priced. None: there are none.
        is_admitted: Whether it was admitted before and its worker died. In the batch lane, there is room for it then.

    Raises:
        NotReadyError: No worker is ready.
        VoiceDamagedError: No worker has the pair, and its files are not what was released.
        OverCapacityError: None has room. It says when to come back.
    """
    able = [worker for worker in workers if candidate in worker.loaded]
    if not able and damaged:
        raise VoiceDamagedError("this version could not be loaded again, so it does not speak")
    if not able:
        raise NotReadyError("no engine has loaded this version yet", retry_after=5)
    if lane == "realtime":
        free, wait = _find_places(able, settings, waiting or Waiting())
    else:
        free, wait = _find_room(able, settings.max_backlog_seconds, seconds)
        free = able if is_admitted else free
    if free:
        return min(free, key=lambda worker: (worker.n_running(lane), worker.backlog_seconds(lane)))
    backlog = sum(worker.backlog_seconds(lane) for worker in able) + (waiting.seconds if waiting else 0.0)
    rate = sum(worker.rate(lane) for worker in able)
    raise OverCapacityError(
        f"{backlog:.0f} s of speech wait in the {lane} lane, and {rate:.1f} s of speech are made per second",
        retry_after=math.ceil(SLOWNESS * wait + SLACK_SECONDS),
    )


def max_streams(worker: WorkerProcess, settings: EngineSettings) -> int:
    """Return how many streams a worker can keep ahead of their listeners, by its measured rate."""
    return max(1, min(settings.max_realtime_streams, int(settings.stream_share * worker.rate("realtime"))))


def _find_places(
    workers: Sequence[WorkerProcess], settings: EngineSettings, waiting: Waiting
) -> tuple[list[WorkerProcess], float]:
    """Return the workers with a place for a stream, and in how many seconds there is one where there is none."""
    most = {worker: max_streams(worker, settings) for worker in workers}
    n_places = {worker: max(0, most[worker] - worker.n_streams) for worker in workers}
    n_before = waiting.n - sum(n_places.values())
    if n_before < 0:
        return [worker for worker in workers if n_places[worker]], 0.0
    ends = sorted(end for worker in workers for end in worker.stream_ends()[-most[worker] :])
    seconds = ends[min(n_before, len(ends) - 1)] if ends else 0.0  # those that are being priced get the first places
    return [], seconds + waiting.seconds / sum(worker.rate("realtime") for worker in workers)


def least_seconds(text: str) -> float:
    """Return how long the speech of a text is at least, for a first look before it is priced."""
    return LEAST_SECONDS_PER_LETTER * width("".join(filter(str.isalnum, text)))


def _find_room(workers: Sequence[WorkerProcess], most: float, seconds: float) -> tuple[list[WorkerProcess], float]:
    """Return the workers with room for a text, and in how many seconds there is some where there is none.

    A text longer than the bound itself is spoken when nothing else waits. Streams go before it.
    """
    work = {worker: _work_before_room(worker.batch_seconds(), most, seconds) for worker in workers}
    streams = {worker: worker.backlog_seconds("realtime") / worker.rate("realtime") for worker in workers}
    wait = min(work[worker] / worker.rate("batch") + streams[worker] for worker in workers)
    return [worker for worker in workers if not work[worker]], wait


def _work_before_room(lefts: Sequence[float], most: float, seconds: float) -> float:
    """Return how much speech a worker makes before it has room for a text, 0 where it has room now.

    Requests take turns (serving/engine/batches.py), so the text waits for each of the others only until as much of
    that one is spoken as the text itself has.

    Args:
        lefts: Seconds of speech that each request has still to make.
        most: The bound for all.
        seconds: Of the text.
    """
    room = max(0.0, most - seconds)

    def waited_for(turn: float) -> float:
        """Return for how much speech the text would wait after `turn` seconds of each request were made."""
        return sum(min(max(0.0, left - turn), seconds) for left in lefts)

    if waited_for(0.0) <= room:
        return 0.0
    turns = sorted({0.0, *lefts, *(max(0.0, left - seconds) for left in lefts)})  # straight lines lie between them
    begin, end = next((begin, end) for begin, end in pairwise(turns) if waited_for(end) <= room)
    before, after = waited_for(begin), waited_for(end)
    turn = begin + (end - begin) * (before - room) / (before - after)
    return sum(min(left, turn) for left in lefts)
