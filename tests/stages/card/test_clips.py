"""The best and the worst clips are found by what was measured of them."""

from __future__ import annotations

from card_helpers import aligned, cut, disagreement, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.card.facts.clips import card_clips, choose_clips, mean_places
from stages.card.facts.inputs import VoiceTables


def clips_of(rows, disagreements=()):
    tables = VoiceTables(
        voice="anna",
        language="en",
        recordings=tuple(recording(i) for i in range(len(rows))),
        ingest_rejects=(),
        clips=tuple(cut(i) for i in range(len(rows))),
        aligned=tuple(rows),
        disagreements=tuple(disagreements),
    )
    return card_clips(tables)


def ids(clips):
    return [int(one.clip.clip_id.partition("-")[0], 16) for one in clips]


def test_a_clip_with_errors_and_doubted_words_is_the_worst():
    clips = clips_of([aligned(0), aligned(1, cer=0.3), aligned(2, cer=0.3)], [disagreement(2, "a", "b")])
    chosen = choose_clips(clips, n=2)
    assert ids(chosen.best) == [0, 1] and ids(chosen.worst) == [2]


def test_the_rate_is_that_between_the_first_and_the_last_word():
    (clip,) = clips_of([aligned(0, "see you", words=(("see", 1.0, 1.5), ("you", 1.5, 2.0)))])
    assert clip.phonemes_per_second == 4.0
    (clip,) = clips_of([aligned(0, "see you", words=())])
    assert clip.phonemes_per_second is None


def test_refused_clips_are_shown_apart_the_longest_first():
    rows = [aligned(0), aligned(1, reason="no", seconds=2.0), aligned(2, reason="no", seconds=3.0, text="")]
    chosen = choose_clips(clips_of(rows))
    assert ids(chosen.best) == [0] and ids(chosen.refused) == [2, 1] and not chosen.worst


def test_a_doubt_that_was_not_measured_counts_as_none():
    (clip,) = clips_of([aligned(0, reason="no")], [disagreement(0, "a", "b", doubt=None)])
    assert clip.doubt == 0.0


@settings(deadline=None)
@given(st.lists(st.none() | st.sampled_from([0.0, 0.1, 0.2]), min_size=1, max_size=25))
def test_no_clip_is_both_best_and_worst_and_places_lie_between_0_and_1(cers):
    clips = clips_of([aligned(i, cer=cer, text="go") for i, cer in enumerate(cers)])
    chosen = choose_clips(clips, n=10)
    assert all(0 <= place <= 1 for place in mean_places(clips))
    assert not set(ids(chosen.best)) & set(ids(chosen.worst))
    assert len(chosen.best) + len(chosen.worst) == min(20, len(cers))
    known = [cer for cer in cers if cer is not None]
    if known and None not in cers:
        assert clips[ids(chosen.best)[0]].clip.cer == min(known)
