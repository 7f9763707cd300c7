"""Speech that is paused at any pause point, while other speech is made, has the samples that it has alone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from greenlet import getcurrent, greenlet
from synthesis_tiny import tiny_synthesizer

from benchmarks.speed import SENTENCE, Setting, random_voice
from gpt_sovits.pausing import set_pause
from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.synthesizer import Synthesizer

TEXTS = ("The kettle is on the stove. He said no! Take a coat.", "Was it three hundred people, or more than that? Two.")


@pytest.fixture(autouse=True)
def _no_pauses_afterwards() -> Iterator[None]:
    yield
    set_pause(None)


def interleave(works: list[Callable[[], np.ndarray]], seed: int) -> tuple[list[np.ndarray], int]:
    """Return the results of works that take turns at every pause point, in random order, and the number of pauses."""
    main, pauses = getcurrent(), 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1
        main.switch()

    results: list[np.ndarray | None] = [None] * len(works)

    def run(index: int) -> None:
        results[index] = works[index]()

    set_pause(pause)
    chance, tasks = random.Random(seed), [greenlet(run) for _ in works]
    while any(not task.dead for task in tasks):
        index = chance.choice([i for i, task in enumerate(tasks) if not task.dead])
        tasks[index].switch(*(() if tasks[index] else (index,)))
    set_pause(None)
    return results, pauses


def streamed(synthesizer: Synthesizer, text: str, seed: int) -> np.ndarray:
    return np.concatenate([chunk.waveform for chunk in stream(synthesizer, text, seed)])


@pytest.mark.parametrize("seed", range(3))
def test_texts_spoken_in_turns_have_the_samples_that_they_have_alone(seed):
    synthesizers = [tiny_synthesizer(-0.6, max_retries=1), tiny_synthesizer(0.0)]
    works = [
        lambda: synthesizers[0].say(TEXTS[0], 1).waveform,
        lambda: synthesizers[0].say(TEXTS[1], 2).waveform,
        lambda: streamed(synthesizers[0], TEXTS[0], 3),
        lambda: streamed(synthesizers[1], TEXTS[1], 4),
    ]
    with torch.inference_mode():
        alone = [work() for work in works]
        together, pauses = interleave(works, seed)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert pauses > 300  # the sentences have about 20 tokens each, besides the layers


def test_speech_that_is_abandoned_at_a_pause_leaves_the_voice_as_it_was():
    synthesizer = tiny_synthesizer()
    alone = streamed(synthesizer, TEXTS[0], 3)
    main = getcurrent()
    set_pause(main.switch)
    task = greenlet(lambda: streamed(synthesizer, TEXTS[1], 4))
    for _ in range(30):
        task.switch()
    assert not task.dead
    task.throw()  # GreenletExit
    assert task.dead
    set_pause(None)
    np.testing.assert_array_equal(streamed(synthesizer, TEXTS[0], 3), alone)


def cpu_seconds_between_pauses(work: Callable[[], object]) -> list[float]:
    """Return the CPU time of this thread between the pause points of work."""
    last, steps = 0.0, []

    def pause() -> None:
        nonlocal last
        now = time.thread_time()
        steps.append(now - last)
        last = now

    last = time.thread_time()
    set_pause(pause)
    work()
    pause()
    set_pause(None)
    return steps


def test_a_batch_of_the_starter_base_can_be_paused_every_50_milliseconds():
    """The least of three runs, as other processes at the same moment make a step longer, in CPU time too."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    voice = random_voice(Setting("starter", "cpu", "float32", 1, 1, 1.0))
    voice.decode_batch_size = 1  # as the service has it on a CPU
    sentences = [SENTENCE] * 8
    with torch.inference_mode():
        voice.say_many(sentences[:1], [0])  # compiles the decoder's kernel
        runs = [cpu_seconds_between_pauses(lambda: voice.say_many(sentences, range(8))) for _ in range(3)]
    torch.set_num_threads(n_threads)
    steps = [min(times) for times in zip(*runs, strict=True)]  # the same work has the same pause points
    assert sum(steps) > 0.5
    assert max(steps) < 0.05
