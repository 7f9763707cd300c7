"""What stands of the rows of corrections.jsonl for each clip, and how segment keeps the clips that were decided on."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.corrections.decisions import ClipDecision, decide
from stages.corrections.fixed_clips import cut_around, fixed_spans
from stages.corrections.obeying import decisions_by_clip
from stages.corrections.rows import SHORTEST_SECONDS, Correction
from stages.cutting import Limits, Span, cut
from stages.tables import Clip, Recording

SHA256 = hashlib.sha256(b"a recording").hexdigest()
RECORDING = Recording.model_construct(recording_id=SHA256[:12], path="a.wav", sha256=SHA256, seconds=60.0)
RATE = 1000  # samples per second in these tests


def row(action: str, start: float, end: float, **more: object) -> Correction:
    return Correction(**{
        "recording_sha256": SHA256, "start": start, "end": end, "action": action, "by": "anna",
        "when": "2026-11-29T05:40:12Z", **more,
    })  # fmt: skip


def standing(*rows: Correction) -> tuple[list[tuple], list[tuple[int, str]]]:
    decisions, unused = decide(rows, {SHA256: RECORDING})
    return [(one.start, one.end, one.text, one.verdict) for one in decisions], [tuple(one) for one in unused]


def undo(*rows: Correction) -> Correction:
    return row("undo", rows[0].start, rows[0].end, undoes=tuple(one.id() for one in rows))


def test_text_drop_and_restore_of_one_clip_are_one_decision() -> None:
    text, drop, restore = row("text", 1, 3, text="Hi."), row("drop", 1, 3), row("restore", 1, 3)
    assert standing(text) == ([(1, 3, "Hi.", None)], [])
    assert standing(text, drop) == ([(1, 3, "Hi.", "drop")], [])
    assert standing(text, drop, restore) == ([(1, 3, "Hi.", "restore")], [])
    assert standing(text, drop, undo(drop)) == ([(1, 3, "Hi.", None)], [])
    assert standing(drop, text) == ([(1, 3, "Hi.", None)], [])  # a text brings a dropped clip back
    assert standing(restore, text) == ([(1, 3, "Hi.", "restore")], [])


def test_a_split_makes_two_clips_and_an_undo_one() -> None:
    split = row("split", 1, 5, at=2.5)
    first = row("text", 1, 2.5, text="Good")
    assert standing(split, first) == ([(1, 2.5, "Good", None), (2.5, 5, None, None)], [])
    assert standing(split, first, undo(split, first)) == ([], [])
    assert standing(split, row("merge", 1, 5)) == ([(1, 5, None, None)], [])


def test_a_clip_that_is_split_or_merged_was_seen_so_its_text_is_not_reported() -> None:
    text = row("text", 1, 5, text="Good evening.")
    assert standing(text, row("split", 1, 5, at=2.5)) == ([(1, 2.5, None, None), (2.5, 5, None, None)], [])
    assert standing(text, row("merge", 1, 8)) == ([(1, 8, None, None)], [])


@pytest.mark.parametrize("verdict", ["drop", "restore"])
def test_the_parts_of_a_split_and_a_merge_keep_the_verdict(verdict: str) -> None:
    decided, split = row(verdict, 1, 5), row("split", 1, 5, at=2.5)
    assert standing(decided, split) == ([(1, 2.5, None, verdict), (2.5, 5, None, verdict)], [])
    again = row("split", 2.5, 5, at=3.5)
    assert standing(decided, split, again)[0][1:] == [(2.5, 3.5, None, verdict), (3.5, 5, None, verdict)]
    assert standing(decided, split, row("merge", 1, 5)) == ([(1, 5, None, verdict)], [])
    assert standing(decided, row(verdict, 5.5, 8), row("merge", 1, 8)) == ([(1, 8, None, verdict)], [])
    assert standing(decided, split, undo(decided)) == ([(1, 2.5, None, None), (2.5, 5, None, None)], [])
    other = row("restore" if verdict == "drop" else "drop", 1, 2.5)
    assert standing(decided, split, other)[0][0] == (1, 2.5, None, other.action)


def test_a_text_that_a_cut_took_along_brings_no_dropped_clip_back_but_a_later_one_does() -> None:
    dropped = row("text", 1, 5, text="Good evening."), row("drop", 1, 5)
    when = {"when": "2026-11-29T05:41:00Z"}
    cut_ = row("split", 1, 5, at=2.5, **when), row("text", 1, 2.5, text="Good", **when)
    assert standing(*dropped, *cut_) == ([(1, 2.5, "Good", "drop"), (2.5, 5, None, "drop")], [])
    later = row("text", 1, 2.5, text="Good", when="2026-11-29T05:42:00Z")
    assert standing(*dropped, *cut_, later)[0][0] == (1, 2.5, "Good", None)


def test_a_merge_of_clips_with_different_verdicts_has_none_and_reports_what_is_lost() -> None:
    drop, merge = row("drop", 1, 5), row("merge", 1, 8)
    lost = [(1, "drop of 1.00-5.00 s: replaced by the merge of 1.00-8.00 s in line 2")]
    assert standing(drop, merge) == ([(1, 8, None, None)], lost)
    assert standing(drop, row("restore", 5, 8), merge) == (
        [(1, 8, None, None)],
        [
            (1, "drop of 1.00-5.00 s: replaced by the merge of 1.00-8.00 s in line 3"),
            (2, "restore of 5.00-8.00 s: replaced by the merge of 1.00-8.00 s in line 3"),
        ],
    )


def test_a_decision_on_another_span_replaces_what_it_overlaps_and_that_is_reported() -> None:
    rows = row("text", 1, 5, text="Good."), row("text", 8, 9, text="Yes."), row("drop", 4, 8.5)
    assert standing(*rows) == (
        [(4, 8.5, None, "drop")],
        [
            (1, "text of 1.00-5.00 s: replaced by the drop of 4.00-8.50 s in line 3"),
            (2, "text of 8.00-9.00 s: replaced by the drop of 4.00-8.50 s in line 3"),
        ],
    )


def test_neighbours_do_not_overlap() -> None:
    assert standing(row("drop", 5, 9), row("drop", 1, 5), row("drop", 9.0001, 12))[1] == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row("drop", 59, 61), r"drop of 59.00-61.00 s: a.wav has only 60.00 s"),
        (
            row("drop", 1, 2, recording_sha256="0" * 64),
            "drop of 1.00-2.00 s: no usable recording has the sha256 000000000000...; it was changed, removed or "
            "rejected. Remove the row, or bring the recording back",
        ),
    ],
)
def test_a_row_that_fits_no_recording_is_reported_with_its_line(wrong: Correction, reason: str) -> None:
    assert standing(row("drop", 1, 2), wrong) == ([(1, 2, None, "drop")], [(2, reason)])


tenths = st.integers(0, 600).map(lambda n: n / 10)


@st.composite
def corrections(draw: st.DrawFn) -> Correction:
    start = draw(tenths.filter(lambda t: t < 58))
    end = min(start + draw(st.integers(5, 120)) / 10, 60.0)
    action = draw(st.sampled_from(["text", "drop", "restore", "merge", "split"]))
    if action == "split" and end - start < 1.2:
        action = "drop"
    more = {"text": {"text": draw(st.sampled_from(["one", "two"]))}, "split": {"at": (start + end) / 2}}.get(action, {})
    return row(action, start, end, **more)


@given(st.lists(corrections(), max_size=12))
def test_decisions_never_overlap_and_the_last_row_always_stands(rows: list[Correction]) -> None:
    decisions, _ = decide(rows, {SHA256: RECORDING})
    assert all(one.end <= other.start + 0.001 for one, other in pairwise(decisions))
    if rows:
        found = [(one.start, one.end) for one in decisions]
        assert all(tuple(span) in found for span in rows[-1].spans())


@given(st.lists(corrections(), max_size=8), corrections())
def test_an_undone_row_leaves_no_trace(rows: list[Correction], last: Correction) -> None:
    rows = [one for one in rows if one != last]
    assert decide([*rows, last, undo(last)], {SHA256: RECORDING}) == decide(rows, {SHA256: RECORDING})


# re-segmentation


@st.composite
def recordings(draw: st.DrawFn) -> tuple[list[Span], np.ndarray]:
    """Draw the speech of a recording and its levels."""
    speech, now = [], 0
    for pause, length in draw(st.lists(st.tuples(st.integers(1, 2500), st.integers(50, 9000)), min_size=1, max_size=8)):
        speech.append(Span(now + pause, now + pause + length))
        now += pause + length
    levels = np.random.default_rng(draw(st.integers(0, 9))).random(now // 10 + 100)
    return speech, levels


limits = st.builds(
    lambda shortest, factor, padding, pause: Limits(shortest, shortest * factor + 2 * padding, padding, pause, 0),
    st.integers(500, 1500),
    st.integers(2, 8),
    st.integers(0, 300),
    st.integers(100, 2000),
)


def cut_recording(
    recording: tuple[list[Span], np.ndarray], these: Limits, decisions: list[ClipDecision]
) -> tuple[list[Span], list[Span]]:
    speech, levels = recording
    n_samples = speech[-1].end + 500
    fixed = fixed_spans(decisions, RATE, n_samples)
    return cut_around(fixed, speech, levels, 10, these._replace(n_samples=n_samples))


def as_clips(spans: list[Span]) -> list[Clip]:
    return [
        Clip(
            clip_id=f"{RECORDING.recording_id}-{index:04d}", recording_id=RECORDING.recording_id, path="x",
            start=span.start / RATE, end=span.end / RATE, seconds=(span.end - span.start) / RATE, gain_db=0,
        )
        for index, span in enumerate(spans)
    ]  # fmt: skip


@settings(max_examples=60)
@given(recordings(), limits, limits, st.data())
def test_corrections_survive_re_segmentation(
    recording: tuple[list[Span], np.ndarray], before: Limits, after: Limits, data: st.DataObject
) -> None:
    """Correct some clips, cut the recording again with other settings, and find every decision on its clip."""
    clips, _ = cut_recording(recording, before, [])
    rows = []
    for clip in data.draw(st.lists(st.sampled_from(clips), unique=True)) if clips else []:
        start, end = clip.start / RATE, clip.end / RATE
        action = data.draw(st.sampled_from(["text", "drop", "restore", "split"]))
        if action == "split" and end - start < 2 * SHORTEST_SECONDS + 0.1:
            action = "drop"
        more = {"text": {"text": "what is said"}, "split": {"at": round((start + end) / 2, 6)}}.get(action, {})
        rows.append(row(action, start, end, **more))
    decisions, unused = decide(rows, {SHA256: RECORDING.model_copy(update={"seconds": 1e6})})
    assert not unused

    again, lost = cut_recording(recording, after, decisions)
    found, without_clip = decisions_by_clip(as_clips(again), {RECORDING.recording_id: decisions} if decisions else {})
    assert not without_clip and len(found) == len(decisions)
    assert all(one.end <= other.start for one, other in pairwise(again))
    covered = np.zeros(recording[0][-1].end + 500, dtype=bool)
    for span in (*again, *lost):
        covered[span.start : span.end] = True
    assert all(covered[region.start : region.end].all() for region in recording[0])  # nothing is lost silently


@given(recordings(), limits)
def test_without_decisions_the_cuts_are_those_of_cut(recording: tuple[list[Span], np.ndarray], these: Limits) -> None:
    speech, levels = recording
    n_samples = speech[-1].end + 500
    assert cut_recording(recording, these, []) == cut(speech, levels, 10, these._replace(n_samples=n_samples))


def test_neighbours_that_share_a_cut_stay_side_by_side_at_any_rate() -> None:
    decisions, _ = decide([row("split", 1.0, 5.0, at=2.3456789)], {SHA256: RECORDING})
    for rate in (16000, 22050, 24000, 32000, 44100):
        one, other = fixed_spans(decisions, rate, 60 * rate)
        assert one.end == other.start
