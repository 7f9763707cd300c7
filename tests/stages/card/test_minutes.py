"""Every second of the recordings has one fate and one reason."""

from __future__ import annotations

import math

import pytest
from card_helpers import aligned, cut, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.card.facts.inputs import VoiceTables
from stages.card.facts.minutes import account, general_reason, total_seconds
from stages.tables import Reject


def tables(**changes) -> VoiceTables:
    return VoiceTables(voice="anna", language="en", **({"recordings": (), "ingest_rejects": ()} | changes))


@st.composite
def voices(draw) -> VoiceTables:
    """Voices in every state: cut or not, with texts or not, with clips and stretches that were refused or trimmed."""
    n = draw(st.integers(1, 8))
    lengths = [draw(st.floats(1, 300)) for _ in range(n)]
    recordings = tuple(recording(i, seconds) for i, seconds in enumerate(lengths))
    lost = tuple(
        Reject(path=f"x{i}", reason=draw(st.sampled_from(["silence", "0.2 s is too short"])), seconds=seconds)
        for i, seconds in enumerate(draw(st.lists(st.none() | st.floats(0, 50), max_size=4)))
    )
    if draw(st.booleans()):
        return tables(recordings=recordings, ingest_rejects=lost)
    clips, cut_rejects, rows = [], [], []
    for i, seconds in enumerate(lengths):
        share, trimmed = draw(st.floats(0.05, 0.9)), draw(st.floats(0, 0.5))
        clips.append(cut(i, 0.0, seconds * share))
        cut_rejects.append(Reject(path=f"r{i}", reason="too short for a clip", seconds=seconds * (1 - share) / 2))
        reason = draw(
            st.sampled_from(["", "the ASR heard no word", "character error rate above align.max_cer = 0.3: 1"])
        )
        rows.append(aligned(i, seconds=clips[-1].seconds * (1 - trimmed), reason=reason))
    has_texts = draw(st.booleans())
    return tables(
        recordings=recordings,
        ingest_rejects=lost,
        clips=tuple(clips),
        segment_rejects=tuple(cut_rejects),
        aligned=tuple(rows) if has_texts else None,
    )


@settings(deadline=None)
@given(voices())
def test_kept_refused_waiting_and_pauses_are_all_that_was_measured(voice):
    parts = account(voice)
    refused_by_ingest = math.fsum(one.seconds or 0.0 for one in voice.ingest_rejects)
    measured = math.fsum(one.seconds for one in voice.recordings) + refused_by_ingest
    assert total_seconds(parts) == pytest.approx(measured, abs=1e-6)
    assert all(part.seconds >= 0 for part in parts)
    assert total_seconds(parts, "kept") == pytest.approx(sum(clip.seconds for clip in voice.kept))
    n_rejects = len(voice.ingest_rejects) + (len(voice.segment_rejects) if voice.clips else 0)
    n_refused = sum(part.n for part in parts if part.fate == "refused" and "trimmed" not in part.reason)
    assert n_refused == n_rejects + sum(not clip.kept for clip in voice.aligned or ())


def test_equal_reasons_are_one_part_with_an_example():
    voice = tables(
        recordings=(recording(0),),
        ingest_rejects=(
            Reject(path="a.wav", reason="0.2 s is shorter than ingest.min_seconds = 0.5", seconds=0.2),
            Reject(path="b.wav", reason="0.3 s is shorter than ingest.min_seconds = 0.5", seconds=0.3),
            Reject(path="c.wav", reason="cannot be decoded"),
        ),
    )
    _, short, broken = account(voice)
    assert (short.reason, short.n, short.seconds) == ("… s is shorter than ingest.min_seconds = 0.5", 2, 0.5)
    assert short.example == "a.wav: 0.2 s is shorter than ingest.min_seconds = 0.5"
    assert (broken.n, broken.seconds, broken.n_unmeasured) == (1, 0.0, 1)


def test_clips_longer_than_the_recordings_are_refused():
    voice = tables(recordings=(recording(0, 3.0),), clips=(cut(0, 0.0, 5.0),))
    with pytest.raises(ValueError, match=r"the clips of anna are 2\.0 s longer than its recordings"):
        account(voice)


@pytest.mark.parametrize(
    ("reason", "general"),
    [
        ("1.20-1.90 s: too short for a clip", "too short for a clip"),
        ("character error rate above align.max_cer = 0.3: 0.52", "character error rate above align.max_cer = 0.3"),
        ("metadata.csv:7: 90 characters exceed ingest.max_chars_per_second = 40 in 0.3 s", "… characters exceed "
         "ingest.max_chars_per_second = 40 in … s"),
        ("the same sound as wavs/a 12.wav", "the same sound as another recording"),
        ("nobody speaks in it: no speech in 3.2 s", "nobody speaks in it"),
    ],
)  # fmt: skip
def test_a_general_reason_has_no_figures_of_one_file(reason, general):
    assert general_reason(reason) == general
