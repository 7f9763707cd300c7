"""A worker that has grown is replaced beside its requests."""

from __future__ import annotations

import os
import signal

import pytest
from engine_helpers import LONG_TEXT, Project, Served, pieces, serve_settings, speak, speech_request, until

from serving.messages import Finished


@pytest.mark.slow
def test_a_worker_beyond_its_memory_ends_its_stream_and_new_requests_go_to_another(project: Project):
    settings = serve_settings(max_resident_megabytes=100)  # every worker has more, so each is replaced once it is idle
    with Served(project, settings) as served:
        first = served.pids()[0]

        async def across() -> list:
            stream = served.engine.speak(speech_request(LONG_TEXT))
            begun = await pieces(stream, 1)
            await until(lambda: served.engine._pool.slots[0].worker.pid != first, 60)
            await speak(served.engine, speech_request("Two."))
            return begun + [event async for event in stream]

        assert isinstance(served.run(across())[-1], Finished)
        assert served.engine.health().workers[0].n_restarts >= 1


@pytest.mark.slow
def test_a_killed_worker_is_replaced_by_the_spare_and_another_spare_waits(project: Project):
    with Served(project, serve_settings(keep_spares=True)) as served:
        pool = served.engine._pool

        def spares() -> list[int]:
            return [spare.pid for spare in pool._spares.values()]

        served.run(until(lambda: len(spares()) == 1))
        (waiting,), killed = spares(), served.pids()[0]
        os.kill(killed, signal.SIGKILL)
        served.run(until(lambda: [worker.pid for worker in pool.ready] == [waiting]))
        assert sum(isinstance(event, Finished) for event in served.run(speak(served.engine, speech_request())))
        served.run(until(lambda: len(spares()) == 1 and spares() != [waiting]))
