"""What is admitted: as much speech as the workers can make in time, by what they were measured to make."""

from __future__ import annotations

import math
from collections.abc import Sequence

from serving.engine.process import WorkerProcess
from serving.errors import NotReadyError, OverCapacityError, VoiceDamagedError
from serving.messages import Lane
from serving.settings import EngineSettings

MIN_WAIT_SECONDS = 1


def choose_worker(
    workers: Sequence[WorkerProcess],
    settings: EngineSettings,
    *,
    lane: Lane,
    candidate: str,
    seconds: float,
    damaged: bool = False,
    n_waiting: int = 0,
) -> WorkerProcess:
    """Return the worker that has the least to do and room for a request.

    Args:
        workers: Those that are ready.
        settings: The limits.
        lane: Of the request.
        candidate: Id of the pair that speaks it.
        seconds: Its price.
        damaged: Whether the files of the pair could not be loaded again.
        n_waiting: Requests of the lane that came before it and are being priced.

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
    backlog = sum(worker.backlog_seconds(lane) for worker in able)
    rate = sum(worker.rate(lane) for worker in able)
    if lane == "realtime":
        rooms = {worker: max_streams(worker, settings) - worker.n_streams for worker in able}
        free = [worker for worker in able if rooms[worker] > 0 and sum(rooms.values()) > n_waiting]
        surplus = backlog
    else:
        most = settings.max_backlog_seconds
        # A text longer than the bound itself is spoken when nothing else waits
        free = [w for w in able if w.backlog_seconds(lane) + seconds <= most or not w.backlog_seconds(lane)]
        surplus = max(0.0, backlog + seconds - most * len(able))
    if free:
        return min(free, key=lambda worker: (worker.n_running(lane), worker.backlog_seconds(lane)))
    raise OverCapacityError(
        f"{backlog:.0f} s of speech wait in the {lane} lane, and {rate:.1f} s of speech are made per second",
        retry_after=max(MIN_WAIT_SECONDS, math.ceil(surplus / rate)),
    )


def max_streams(worker: WorkerProcess, settings: EngineSettings) -> int:
    """Return how many streams a worker can keep ahead of their listeners, by its measured rate."""
    return max(1, min(settings.max_realtime_streams, int(settings.stream_share * worker.rate("realtime"))))
