"""Who speaks next in a worker: tasks take turns at the pause points of gpt_sovits, a few milliseconds each.

Each task runs in a greenlet, so it can be paused anywhere between two layers of a network and goes on there later. All
run in one thread, so no two computations ever disturb each other, and no sample depends on who else speaks.

Order of the turns:

1. Of the streams whose listener has less than LEAD_SECONDS of sound left, the one whose listener runs dry first. A new
   stream's listener waits now.
2. The batch lane and the streams that are further ahead, in turns.

A new pair speaks its first sentences as the batch does, but before it, and gets every LOADING_SHARE-th turn of 1 too:
a promotion must be live in seconds, also where streams want all there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import torch
from greenlet import getcurrent, greenlet

from gpt_sovits.pausing import set_pause

SLICE_SECONDS = 0.01  # of a turn; a layer that began is finished, which takes up to some 40 ms more
LOADING_SHARE = 3
LEAD_SECONDS = 3.0  # sound that a listener has in store before others may go first


class Task(Protocol):
    """Something that takes turns.

    Attributes:
        is_stream: Whether a listener plays it while it is made.
        is_loading: Whether it brings a pair into service.
    """

    is_stream: bool
    is_loading: bool

    def run(self) -> None:
        """Do all of the work. It is called in a greenlet and paused at pause points."""
        ...

    def is_blocked(self) -> bool:
        """Return whether it waits for its client."""
        ...

    def deadline(self) -> float:
        """Return when its listener runs dry, in seconds of time.monotonic(). Only streams are asked."""
        ...

    def add_busy(self, seconds: float) -> None:
        """Count the time of a turn."""
        ...

    def fail(self, error: Exception) -> None:
        """Report a fault that ended `run`."""
        ...


class Scheduler:
    """The tasks of a worker and whose turn it is.

    Invariant: at most one task computes at a time, in the thread of the scheduler.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, on_fault: Callable[[], None] = lambda: None
    ) -> None:
        """Begin without tasks, and take over the pause points of this process.

        Args:
            clock: Returns seconds that only grow.
            on_fault: Called before a task fails by something else than its text.
        """
        self._clock, self._on_fault = clock, on_fault
        self._tasks: dict[Task, greenlet] = {}
        self._slice_end = 0.0
        self._began = 0.0
        self._running: Task | None = None
        self._was_batch, self._n_urgent = False, 0
        set_pause(self._pause)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Return the tasks that are not finished, oldest first."""
        return tuple(self._tasks)

    def add(self, task: Task) -> None:
        """Add a task. Its first turn comes when `turn` chooses it."""
        self._tasks[task] = greenlet(task.run)

    def cancel(self, task: Task) -> None:
        """End a task where it is paused. Its memory is free afterwards."""
        running = self._tasks.pop(task, None)
        if running is not None and not running.dead:
            running.throw()  # GreenletExit, which closes its generators

    def turn(self) -> bool:
        """Give one task a turn. Return whether there was one that could go on."""
        task = self._choose()
        if task is None:
            return False
        running = self._tasks[task]
        self._began = self._clock()
        self._running, self._slice_end = task, self._began + SLICE_SECONDS
        try:
            running.switch()
        except Exception as error:  # noqa: BLE001 - one request must not end the others, so it alone fails
            if not isinstance(error, ValueError):  # it is not about the text
                self._on_fault()
            task.fail(error)
        self.count()
        self._running = None
        if running.dead:
            self._tasks.pop(task, None)
        return True

    def count(self) -> None:
        """Count the time of the running turn so far, as busy time of its task."""
        now = self._clock()
        if self._running is not None:
            self._running.add_busy(now - self._began)
        self._began = now

    def end_turn(self) -> None:
        """End the turn of the running task at once, because something about its urgency changed."""
        self._slice_end = 0.0
        self._pause()

    def _pause(self) -> None:
        """Hand over at a pause point once the turn is over. The other tasks run until this one's next turn."""
        running = getcurrent()
        if running.parent is None or self._clock() < self._slice_end:  # without a parent it is not one of our tasks
            return
        # Autocast belongs to the thread: the others must not compute in bfloat16 because this one is in such a block
        enabled = {device: torch.is_autocast_enabled(device) for device in ("cpu", "cuda")}
        for device, is_enabled in enabled.items():
            if is_enabled:
                torch.set_autocast_enabled(device, False)
        running.parent.switch()
        for device, is_enabled in enabled.items():
            if is_enabled:
                torch.set_autocast_enabled(device, True)

    def _choose(self) -> Task | None:
        ready = [task for task in self._tasks if not task.is_blocked()]
        streams = sorted((task.deadline(), index, task) for index, task in enumerate(ready) if task.is_stream)
        loading = next((task for task in ready if task.is_loading), None)
        if streams and streams[0][0] - self._clock() < LEAD_SECONDS:
            self._n_urgent += 1
            return streams[0][2] if loading is None or self._n_urgent % LOADING_SHARE else loading
        batch = loading or next((task for task in ready if not task.is_stream), None)
        if batch is not None and not (streams and self._was_batch):
            self._was_batch = True
            return batch
        self._was_batch = False
        return streams[0][2] if streams else None
