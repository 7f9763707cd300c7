"""Sentences that are spoken once: what decides their sound, and that a text sounds as if all of it were spoken."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
import torch
from engine_helpers import Project, Served, said, serve_settings, sound, speak, speech_request
from hypothesis import given, settings
from hypothesis import strategies as st
from synthesis_tiny import tiny_synthesizer

from gpt_sovits.synthesis.sentences import Sentence
from gpt_sovits.synthesis.synthesizer import choose_attempt
from serving.caches.entries import pack
from serving.caches.layers import LayeredCache
from serving.caches.memory import MemoryCache
from serving.caches.sentences import Pronunciation, SentenceCache, sentence_key
from serving.engine.batches import BatchRequest, next_batch
from serving.engine.speaking import Output, Speak
from serving.errors import RevokedError
from serving.messages import SentenceDone

ROUNDING = 4  # of int16: batched sums may be rounded differently, by at most 1e-4 of full scale
HOW = Pronunciation(candidate="c1", preset="narration", precision="float32", device="cpu")
WORDS = ["Anna", "the kettle", "three hundred people", "a coat on the stove", "no", "Lisbon"]
sentences_of_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(lambda words: " ".join(words) + ".")
VOICE = tiny_synthesizer()


@settings(max_examples=12, deadline=None)
@given(
    st.lists(sentences_of_words, min_size=1, max_size=4), st.lists(sentences_of_words, max_size=3), st.integers(0, 5)
)
def test_neighbours_and_other_texts_of_a_batch_do_not_change_a_sentence(texts, others, seed):
    """One place of the text keeps its sentence, and all else is replaced."""
    place = len(texts) // 2
    changed = [text if i == place else "Take another one, please." for i, text in enumerate(texts)]
    mine = [VOICE.sentences(" ".join(each), seed)[place] for each in (texts, changed)]
    if VOICE.sentences(" ".join(texts), seed)[place].text != texts[place]:
        return  # short sentences were joined
    assert sentence_key(HOW, mine[0]) == sentence_key(HOW, mine[1])
    with torch.inference_mode():
        alone = choose_attempt(mine[0], VOICE.speak(mine[:1])[0])
        beside = [sentence for other in others for sentence in VOICE.sentences(other, seed + 1)]
        together = choose_attempt(mine[1], VOICE.speak([*beside, mine[1]])[-1])
    assert together.report == alone.report
    assert np.abs(together.waveform - alone.waveform).max() <= 1e-4


def read(text: str = "The kettle is on the stove.", seed: int = 0, place: int = 0) -> Sentence:
    return VOICE.sentences(text, seed)[place]


@pytest.mark.parametrize("name", ["candidate", "preset", "precision", "device"])
def test_whoever_speaks_a_sentence_is_in_its_key(name):
    assert sentence_key(replace(HOW, **{name: "other"}), read()) != sentence_key(HOW, read())


def test_phonemes_seed_place_and_bounds_are_in_the_key():
    one = read()
    respelled = replace(one, phoneme_ids=one.phoneme_ids.flip(0))
    twice = "The kettle is on the stove. The kettle is on the stove."
    others = [
        read(seed=1),
        read(twice, place=1),
        read("The kettle is on the stove!"),
        respelled,
        replace(one, max_tokens=one.max_tokens + 1),
        replace(one, expected_tokens=one.expected_tokens + 1),
        replace(one, bert_features=torch.zeros(8, len(one.phoneme_ids))),
        replace(one, bert_features=torch.ones(8, len(one.phoneme_ids))),
    ]
    assert len({sentence_key(HOW, each) for each in [one, *others]}) == len(others) + 1
    assert sentence_key(HOW, read(twice)) == sentence_key(HOW, one)


def test_a_kept_sentence_comes_back_with_its_samples_and_its_report():
    sentence, cache = read(), SentenceCache(LayeredCache(MemoryCache(10_000_000), None))
    with torch.inference_mode():
        spoken = choose_attempt(sentence, VOICE.speak([sentence])[0])
    assert cache.get("key", sentence) is None
    cache.put("key", spoken)
    known = cache.get("key", sentence)
    assert known is not None and known.report == spoken.report and known.timings.total == 0
    np.testing.assert_array_equal(np.rint(known.waveform * 32767), np.rint(spoken.waveform * 32767))
    assert SentenceCache(None).get("key", sentence) is None


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\0\2{}", pack({"outcome": "unheard of"}, b""), pack({"seed": 1}, b"ab"), b"\xff" * 9]
)
def test_what_another_version_has_kept_counts_as_missing_and_is_deleted(content):
    memory = MemoryCache(10_000)
    memory.put("key", content)
    assert SentenceCache(LayeredCache(memory, None)).get("key", read()) is None
    assert memory.get("key") is None


class Asked:
    """A slow cache that knows nothing and counts the questions."""

    def __init__(self) -> None:
        self.keys = []

    def get(self, key: str) -> None:
        self.keys.append(key)

    def put(self, key: str, content: bytes) -> None:
        pass


def test_a_sentence_that_waits_is_looked_for_in_the_slow_cache_once():
    below = Asked()
    cache = SentenceCache(LayeredCache(MemoryCache(10_000_000), below))
    requests = []
    for number in range(3):
        speak = Speak(id=number, candidate="c1", preset="narration", text=row("Anna"), language="en", seed=number)
        output = Output(number, lambda *_: None, sample_rate=32_000, max_unread_bytes=1_000_000)
        requests.append(BatchRequest(speak, VOICE, output, cache=cache, how=HOW))
        requests[-1].sentences = VOICE.sentences(speak.text, speak.seed)
    while next_batch(requests, 1, None) is not None:
        pass
    assert len(below.keys) == len(set(below.keys)) == 12


FIXED = ["Your parcel is on its way to you.", "It comes in the morning.", "Take good care of it."]
NAMES = ["Anna", "Bob", "Clara", "David", "Emma", "Frank"]


def row(name: str) -> str:
    return " ".join([FIXED[0], f"Good morning {name}, this is for you.", *FIXED[1:]])


def run(project: Project, names: list[str], *, at_once: bool) -> list[list]:
    """Speak rows of a template with an engine of its own, and return their events."""

    async def all_rows(engine) -> list[list]:
        requests = [speech_request(row(name), seed=5, lane="batch") for name in names]
        if at_once:
            return await asyncio.gather(*(speak(engine, request) for request in requests))
        return [await speak(engine, request) for request in requests]

    with Served(project, serve_settings(cache={"memory_megabytes": 50, "disk_megabytes": 50})) as served:
        return served.run(all_rows(served.engine))


def kept(events: list) -> list[bool]:
    return [event.is_cached for event in events if isinstance(event, SentenceDone)]


def test_rows_of_a_template_sound_as_if_all_of_them_were_spoken(project: Project):
    spoken = run(project, NAMES, at_once=True)
    for name, events in zip(NAMES, spoken, strict=True):
        alone = said(project.voice("anna", 2), row(name), 5)
        assert np.abs(sound(events).astype(int) - alone).max() <= ROUNDING
    assert sum(not each for events in spoken for each in kept(events)) == len(FIXED) + len(NAMES)
    # Another engine finds them on the disk. A new name is the only sentence that it speaks
    again = run(project, ["Grace", *NAMES[:2]], at_once=False)
    assert [kept(events) for events in again] == [[True, False, True, True], [True] * 4, [True] * 4]
    np.testing.assert_array_equal(sound(again[1]), sound(spoken[0]))
    alone = said(project.voice("anna", 2), row("Grace"), 5)
    assert np.abs(sound(again[0]).astype(int) - alone).max() <= ROUNDING


def test_a_revoked_voice_says_nothing_that_is_kept(project: Project):
    with Served(project, serve_settings(cache={"memory_megabytes": 50})) as served:
        for _ in range(2):
            events = served.run(speak(served.engine, speech_request("Two.", voice="bob", lane="batch")))
        assert kept(events) == [True]
        project.revoke("bob")

        async def until_refused() -> None:
            for _ in range(250):
                await speak(served.engine, speech_request("Two.", voice="bob", lane="batch"))
                await asyncio.sleep(0.02)

        with pytest.raises(RevokedError):
            served.run(until_refused())
