"""The clips as the review page shows them, and how a text is divided where its clip is split."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_helpers import aligned_row

from flows.review_page.clip_items import TableClip, recording_items, table_clip
from flows.review_page.text_parts import cut_text, join_texts
from stages.corrections.decisions import ClipDecision, Decided, fold
from stages.corrections.rows import Correction, NumberedCorrection, Span
from stages.tables import Clip, Disagreement, Recording

SHA256 = "ab" * 32
RECORDING = Recording.model_construct(
    recording_id=SHA256[:12], sha256=SHA256, path="a.wav", seconds=30.0, language="en"
)


def clip(start: float, end: float, text: str) -> TableClip:
    seconds = end - start
    return TableClip(span=Span(start, end), aligned=aligned_row(f"{start}", text, seconds), file=Path(f"{start}.flac"))


CLIPS = [clip(0, 4, "One two three four."), clip(4.5, 6.5, "Five six."), clip(7, 9, "Seven eight.")]


def decided(*rows: tuple) -> list[Decided]:
    made = [
        Correction(
            recording_sha256=SHA256, action=action, start=start, end=end, by="anna", when="2026-11-29T05:40:12Z", **more
        )
        for action, start, end, more in rows
    ]
    return fold([NumberedCorrection(number, row) for number, row in enumerate(made, start=1)])[0]


def shown(*rows: tuple, in_run: tuple = ()) -> list[tuple]:
    items = recording_items(RECORDING, CLIPS, decided=decided(*rows), in_run=in_run)
    return [(*item.span, item.text, item.kept, item.is_pending) for item in items]


def known(start: float, end: float, text: str | None = None, verdict: str | None = None) -> ClipDecision:
    return ClipDecision(
        recording_id=RECORDING.recording_id, start=start, end=end, text=text, verdict=verdict, by="anna", when="x"
    )


UNCHANGED = [(0, 4, "One two three four.", True, False), (4.5, 6.5, "Five six.", True, False)]
LAST = (7, 9, "Seven eight.", True, False)


def test_without_decisions_the_clips_are_those_of_the_tables() -> None:
    assert shown() == [*UNCHANGED, LAST]


def test_a_decision_that_the_run_knew_is_not_pending() -> None:
    rows = [("text", 4.5, 6.5, {"text": "Five six."})]
    assert shown(*rows)[1] == (4.5, 6.5, "Five six.", True, True)
    assert shown(*rows, in_run=(known(4.5, 6.5, "Five six."),))[1] == (4.5, 6.5, "Five six.", True, False)
    assert shown(*rows, in_run=(known(4.5, 6.5, "Five."),))[1][-1]


def test_a_decision_that_was_taken_back_is_pending_until_the_next_run() -> None:
    assert shown(in_run=(known(4.5, 6.5, verdict="drop"),)) == [UNCHANGED[0], (4.5, 6.5, "Five six.", True, True), LAST]


def test_split_and_merge_are_shown_before_the_run() -> None:
    assert shown(("split", 0, 4, {"at": 2.0}), ("drop", 2, 4, {})) == [
        (0, 2, "One two", True, True),
        (2, 4, "three four.", False, True),
        UNCHANGED[1],
        LAST,
    ]
    assert shown(("merge", 0, 6.5, {})) == [(0, 6.5, "One two three four. Five six.", True, True), LAST]


def test_a_split_of_a_merged_clip_has_the_sound_of_both_files() -> None:
    items = recording_items(
        RECORDING, CLIPS, decided=decided(("merge", 0, 6.5, {}), ("split", 0, 6.5, {"at": 5.5})), in_run=()
    )
    assert [(part.path.name, part.start, part.end, part.silence) for part in items[0].sound] == [
        ("0.flac", 0, 4, 0),
        ("4.5.flac", 0, 1.0, 0.5),
    ]
    assert [item.text for item in items[:2]] == ["One two three four. Five", "six."]
    assert items[1].words[0][:2] == ("six", 0.0)


def test_a_trimmed_clip_lies_where_its_sound_lies() -> None:
    cut = Clip(clip_id="x-0000", recording_id="x", path="audio/x.flac", start=10, end=15, seconds=5, gain_db=0)
    row = aligned_row("x-0000", "Good evening.", 3.0).model_copy(update={"trimmed_seconds": 1.5})
    place = {"recording_id": "x", "clip_id": "x-0000", "written": "a", "heard": "b", "doubt": 6.0}
    rows = [
        Disagreement(start=start, end=end, outcome=outcome, **place)
        for start, end, outcome in ((10.2, 11, "repaired"), (12, 12.5, "kept"))
    ]
    (item,) = recording_items(RECORDING, [table_clip(cut, row, file=Path("x.flac"), disagreements=rows)], decided=[])
    assert item.span == (11.5, 14.5)
    assert item.disagreements == (("a", "b", 0.5, 1.0, 6.0),)  # what was repaired is not in it any more


def test_a_dropped_clip_shows_its_parts_as_dropped_and_a_merge_that_lost_the_drop_as_left_to_the_limits() -> None:
    reason = {"kept": False, "reason": "dropped by review: anna x"}
    clips = [replace(CLIPS[0], aligned=CLIPS[0].aligned.model_copy(update=reason)), *CLIPS[1:]]
    in_run = [known(0, 4, verdict="drop")]
    drop = ("drop", 0, 4, {})
    split = recording_items(RECORDING, clips, decided=decided(drop, ("split", 0, 4, {"at": 2.0})), in_run=in_run)
    assert [(item.kept, item.reason[:17], item.is_pending) for item in split[:2]] == [
        (False, "dropped by review", True),
        (False, "dropped by review", True),
    ]
    merged = recording_items(RECORDING, clips, decided=decided(drop, ("merge", 0, 6.5, {})), in_run=in_run)[0]
    assert (merged.kept, merged.reason, merged.is_pending) == (True, "", True)


def test_a_recording_without_clips_shows_none() -> None:
    assert recording_items(RECORDING, [], decided=decided(("drop", 1, 3, {})), in_run=()) == []


@given(st.lists(st.tuples(st.sampled_from(["split", "merge", "drop", "text"]), st.integers(0, 2)), max_size=6))
def test_every_second_of_a_clip_is_shown_once(moves: list[tuple[str, int]]) -> None:
    """Whatever is decided on what is shown, no sound is shown twice and none goes missing."""
    rows: list[tuple] = []
    for action, index in moves:
        items = recording_items(RECORDING, CLIPS, decided=decided(*rows), in_run=())
        item = items[index % len(items)]
        if action == "merge" and item is not items[-1]:
            rows.append(("merge", item.span.start, items[items.index(item) + 1].span.end, {}))
        elif action == "split" and item.seconds >= 1.2:
            rows.append(("split", *item.span, {"at": (item.span.start + item.span.end) / 2}))
        elif action in ("drop", "text"):
            rows.append((action, *item.span, {"text": "new"} if action == "text" else {}))
    items = recording_items(RECORDING, CLIPS, decided=decided(*rows), in_run=())
    parts = sorted((part.path.name, part.start, part.end) for item in items for part in item.sound)
    assert sum(end - start for _, start, end in parts) == pytest.approx(8.0)
    assert all(a[0] != b[0] or a[2] <= b[1] + 1e-9 for a, b in pairwise(parts))


# texts


def times(words: str) -> list[tuple[str, float, float]]:
    return [(word, float(index), index + 0.9) for index, word in enumerate(words.split())]


@pytest.mark.parametrize(
    ("text", "words", "at", "language", "parts"),
    [
        ("Good evening, my dear.", "Good evening my dear", 2.0, "en", ("Good evening,", "my dear.")),
        ("Good evening, my dear.", "Good evening my dear", 0.0, "en", ("", "Good evening, my dear.")),
        ("Good evening, my dear.", "Good evening my dear", 9.0, "en", ("Good evening, my dear.", "")),
        ("At 14 we met", "at fourteen we met", 2.0, "en", ("At 14", "we met")),
        ("“No,” she said", "no she said", 1.0, "en", ("“No,”", "she said")),
        ("你好，再见。", "你 好 再 见", 2.0, "zh", ("你好，", "再见。")),
        ("안녕 하세요", "안녕 하세요", 1.0, "ko", ("안녕", "하세요")),
        ("the the the", "the the the", 2.0, "en", ("the the", "the")),
    ],
)
def test_a_text_is_divided_between_its_words(text, words, at, language, parts) -> None:
    assert cut_text(text, times(words), at=at, language=language) == parts


@given(st.text(max_size=40), st.text(max_size=20), st.floats(0, 9), st.sampled_from(["en", "zh", "ko"]))
def test_no_letter_of_a_text_is_lost_where_it_is_divided(text: str, words: str, at: float, language: str) -> None:
    parts = cut_text(text, times(words), at=at, language=language)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_texts_are_joined_as_the_language_writes_them() -> None:
    assert join_texts("Good", "evening.", language="en") == "Good evening."
    assert join_texts("你好", "再见", language="zh") == "你好再见"
    assert join_texts("", "evening.", language="en") == "evening."
