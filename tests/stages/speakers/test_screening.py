"""What align does with clips of other speakers and with clips that hold the same sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.made_up_sound import DISGUISES
from gpt_sovits.audio import load_audio, to_mono
from stages.params import load_params
from stages.sections.data import Align
from stages.speakers.hearing import ClipSound
from stages.speakers.screening import hold_out_clips, mark_speakers, mark_twins, screen_clips, screening_findings
from stages.tables import AlignedClip, Clip

ROOT = Path(__file__).resolve().parents[3]
PARAMS = load_params(ROOT / "params.yaml").align


def params(**changes: object) -> Align:
    return PARAMS.model_copy(update=changes)


def clip(clip_id: str, seconds: float = 5.0, **changes: object) -> AlignedClip:
    row = AlignedClip(
        clip_id=clip_id,
        path=f"audio/{clip_id}.flac",
        seconds=seconds,
        text="What is said.",
        text_source="given",
        asr_text="what is said",
        cer=0.0,
        words=(),
        kept=True,
        reason="",
        split="train",
        language="en",
    )
    return row.model_copy(update=changes)


def cut(rows: list[AlignedClip]) -> list[Clip]:
    """Segment's rows of clips that are each alone in their recording."""
    return [
        Clip(
            clip_id=row.clip_id,
            recording_id=row.clip_id.rpartition("-")[0],
            path=row.path,
            start=0.0,
            end=row.seconds,
            seconds=row.seconds,
            gain_db=0.0,
        )
        for row in rows
    ]


def words(seed: int, n_words: int = 200) -> np.ndarray:
    """A fingerprint like no other."""
    return np.random.default_rng(seed).integers(1, 2**32, n_words, dtype=np.uint32)


def embedding(direction: int) -> np.ndarray:
    vector = np.full(8, 0.05, np.float32)
    vector[direction] = 1.0
    return vector / np.linalg.norm(vector)


def sounds(directions: list[int | None]) -> list[ClipSound]:
    return [
        ClipSound(None if direction is None else embedding(direction), words(index))
        for index, direction in enumerate(directions)
    ]


# speakers


def test_another_speaker_is_reported_or_excluded_by_configuration() -> None:
    rows, heard = [clip(f"r-{n:04d}") for n in range(5)], sounds([0, 0, 0, 1, None])
    reported = mark_speakers(rows, heard, params(other_speakers="report"))
    assert [row.speaker for row in reported] == [0, 0, 0, 1, None]
    assert all(row.kept for row in reported)
    excluded = mark_speakers(rows, heard, params(other_speakers="exclude"))
    assert [row.kept for row in excluded] == [True, True, True, False, True]
    assert excluded[3].reason.startswith("another speaker: speaker 1, cosine 0.")
    assert excluded[4].speaker_similarity is None


def test_a_clip_that_a_person_confirmed_is_never_excluded() -> None:
    rows, heard = [clip(f"r-{n:04d}") for n in range(4)], sounds([0, 0, 0, 1])
    marked = mark_speakers(rows, heard, params(other_speakers="exclude"), confirmed={"r-0003"})
    assert (marked[3].speaker, marked[3].kept) == (1, True)
    twins = [heard[0], ClipSound(heard[1].embedding, heard[0].fingerprint)]
    marked = mark_twins([clip("a-0000", 9.0), clip("b-0000")], twins, params(duplicates="exclude"), {"b-0000"})
    assert [row.kept for row in marked] == [False, True]


def test_the_sentences_say_how_many_clips_of_which_recordings() -> None:
    rows = [clip("aaa-0000", speaker=0), clip("bbb-0000", speaker=1), clip("bbb-0001", speaker=1)]
    (sentence,) = screening_findings(rows, {"aaa": "a.wav", "bbb": "b.wav"})
    assert "2 clips sound like another speaker" in sentence
    assert "b.wav (2)" in sentence
    assert screening_findings(rows[:1], {"aaa": "a.wav"}) == []


# twins


def test_the_clip_with_a_given_text_and_the_longer_one_stay() -> None:
    same = words(0)
    rows = [clip("a-0000", 6.0, text_source="asr"), clip("b-0000", 5.0), clip("c-0000", 5.5), clip("d-0000")]
    heard = [ClipSound(None, one) for one in (same, same, same, words(1))]
    marked = mark_twins(rows, heard, params(duplicates="exclude"))
    assert [row.kept for row in marked] == [False, False, True, True]
    assert [row.duplicate_group for row in marked] == ["c-0000"] * 3 + [None]
    assert marked[0].reason == "the same sound as another clip: c-0000"


def test_a_clip_whose_text_a_person_corrected_stays_before_one_with_a_given_text_and_that_before_the_asrs() -> None:
    sources = ("asr", "given", "corrected", "given", "asr")
    rows = [
        clip(f"{name}-0000", 9.0 - index, text_source=source)
        for index, (name, source) in enumerate(zip("abcde", sources, strict=True))
    ]
    same = [ClipSound(None, words(0)) for _ in rows]
    marked = mark_twins(rows, same, params(duplicates="exclude"))
    assert [row.clip_id for row in marked if row.kept] == ["c-0000"]
    without = mark_twins(rows[:2], same[:2], params(duplicates="exclude"))
    assert [row.clip_id for row in without if row.kept] == ["b-0000"]


DROPPED = {"kept": False, "reason": "dropped by review: anna 2026-11-29T05:40:12Z"}


def test_a_dropped_clip_takes_its_copy_with_it_and_the_reason_says_so() -> None:
    rows = [clip("a-0000", 9.0, **DROPPED), clip("b-0000"), clip("c-0000")]
    heard = [ClipSound(None, words(index)) for index in (0, 0, 1)]
    marked = mark_twins(rows, heard, params(duplicates="exclude"), dropped={"a-0000"})
    assert [row.kept for row in marked] == [False, False, True]
    assert marked[0].reason == DROPPED["reason"]
    assert marked[1].reason == "the same sound as another clip: a-0000, which was dropped by review"


def test_a_copy_that_a_person_confirmed_stays_when_the_other_is_dropped() -> None:
    rows = [clip("a-0000", 9.0, **DROPPED), clip("b-0000")]
    same = [ClipSound(None, words(0)) for _ in rows]
    marked = mark_twins(rows, same, params(duplicates="exclude"), confirmed={"b-0000"}, dropped={"a-0000"})
    assert [row.kept for row in marked] == [False, True]


def test_where_duplicates_are_reported_a_drop_is_about_one_clip_alone() -> None:
    rows = [clip("a-0000", 9.0, **DROPPED), clip("b-0000")]
    same = [ClipSound(None, words(0)) for _ in rows]
    marked = mark_twins(rows, same, params(duplicates="report"), dropped={"a-0000"})
    assert [row.kept for row in marked] == [False, True]


def test_of_a_chain_of_overlaps_both_ends_stay() -> None:
    long = words(0, 600)
    heard = [ClipSound(None, part) for part in (long[:300], long[200:400], long[300:])]
    rows = [clip("a-0000", 5.0), clip("b-0000", 3.0), clip("c-0000", 5.0)]
    marked = mark_twins(rows, heard, params(duplicates="exclude"))
    assert [row.kept for row in marked] == [True, False, True]


CLIPS = st.lists(st.integers(0, 25), min_size=30, max_size=60)  # which sound each clip holds


@settings(max_examples=40, deadline=None)
@given(contents=CLIPS, policy=st.sampled_from(["report", "exclude"]), data=st.data())
def test_no_split_moves_when_clips_come_or_go_and_no_held_out_clip_has_a_twin_in_training(
    contents: list[int], policy: str, data: st.DataObject
) -> None:
    settings_ = params(duplicates=policy, held_out_share=0.25)
    all_rows = [clip(f"{index:03d}-0000", 3.0 + index % 4) for index in range(len(contents))]

    def split(chosen: list[int]) -> dict[str, AlignedClip]:
        rows = [all_rows[index] for index in chosen]
        heard = [ClipSound(None, words(contents[index], 64)) for index in chosen]
        return {row.clip_id: row for row in hold_out_clips(mark_twins(rows, heard, settings_), cut(rows), settings_)}

    everything = split(list(range(len(contents))))
    fewer = split(sorted(data.draw(st.sets(st.sampled_from(range(len(contents))), min_size=len(contents) // 2))))
    for rows in (everything, fewer):
        kept = [row for row in rows.values() if row.kept]
        sides = {(contents[int(row.clip_id[:3])], row.split) for row in kept}
        assert len(sides) == len({content for content, _ in sides}), "a sound is on both sides of the split"
        assert {contents[int(clip_id[:3])] for clip_id in rows} == {content for content, _ in sides}, "a sound is lost"
    if not any(fallback_rules(list(rows.values())) for rows in (everything, fewer)):
        both = [name for name, row in fewer.items() if row.kept and everything[name].kept]
        assert [fewer[name].split for name in both] == [everything[name].split for name in both]


@settings(max_examples=60, deadline=None)
@given(contents=st.lists(st.integers(0, 4), min_size=1, max_size=12), data=st.data())
def test_a_drop_lets_no_other_clip_in(contents: list[int], data: st.DataObject) -> None:
    """Clips hold parts of one long sound that overlap, so they are linked in chains too."""
    long = words(0, 700)
    heard = [ClipSound(None, long[100 * content : 100 * content + 300]) for content in contents]
    sources = st.sampled_from(["corrected", "given", "asr"])
    rows = [
        clip(f"{index:03d}-0000", 3.0 + index % 4, text_source=data.draw(sources)) for index in range(len(contents))
    ]
    dropped = data.draw(st.sets(st.sampled_from(range(len(rows)))))
    after = [row.model_copy(update=DROPPED) if index in dropped else row for index, row in enumerate(rows)]

    def kept(chosen: list[AlignedClip]) -> set[str]:
        names = {rows[index].clip_id for index in dropped}
        marked = mark_twins(chosen, heard, params(duplicates="exclude"), dropped=names)
        return {row.clip_id for row in marked if row.kept}

    assert kept(after) == kept(rows) - {rows[index].clip_id for index in dropped}


@pytest.mark.parametrize("policy", ["exclude", "report"])
def test_many_copies_of_one_sound_are_on_one_side_of_the_split(policy: str) -> None:
    rows = [clip(f"{index:03d}-0000", 3.0) for index in range(40)]
    settings_ = params(duplicates=policy, held_out_share=0.25)
    heard = [ClipSound(None, words(0, 64)) for _ in rows]
    found = [row for row in hold_out_clips(mark_twins(rows, heard, settings_), cut(rows), settings_) if row.kept]
    assert len({row.split for row in found}) == 1
    assert len(found) == (1 if policy == "exclude" else sum(row.split == "held_out" for row in found))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_split_of_a_clip_does_not_move_when_others_of_its_recording_are_merged_split_or_removed(
    data: st.DataObject,
) -> None:
    lengths = data.draw(st.lists(st.floats(1.0, 12.0), min_size=60, max_size=80))
    ends = np.cumsum(lengths).round(6).tolist()
    before = list(zip([0.0, *ends], ends, strict=False))
    after: list[tuple[float, float]] = []
    is_joined = False
    for start, end in before:
        change = data.draw(st.sampled_from(["none", "none", "none", "merge", "split", "remove"]))
        if is_joined:
            after[-1] = (after[-1][0], end)
        elif change == "split":
            after += [(start, (start + end) / 2), ((start + end) / 2, end)]
        elif change != "remove":
            after.append((start, end))
        is_joined = change == "merge" and not is_joined

    def splits(spans: list[tuple[float, float]]) -> tuple[dict[tuple[float, float], str], bool]:
        rows = [clip(f"0123456789ab-{number:04d}", end - start) for number, (start, end) in enumerate(spans)]
        cuts = [
            one.model_copy(update={"start": start, "end": end})
            for one, (start, end) in zip(cut(rows), spans, strict=True)
        ]
        found = hold_out_clips(rows, cuts, params(held_out_share=0.25))
        return {span: row.split for span, row in zip(spans, found, strict=True)}, fallback_rules(found)

    (old, is_few), (new, is_few_after) = splits(before), splits(after)
    assume(not is_few and not is_few_after)
    same = old.keys() & new.keys()
    assert {span: new[span] for span in same} == {span: old[span] for span in same}


def fallback_rules(rows: list[AlignedClip]) -> bool:
    """Whether the least or the largest number of held-out clips decides, which depends on the other clips."""
    n_held_out = sum(row.kept and row.split == "held_out" for row in rows)
    n_split = n_held_out + sum(row.split == "train" and (row.kept or "held out" in row.reason) for row in rows)
    return not 2 < n_held_out < n_split // 2


# the real judge on real speech


def test_ten_clips_of_another_speaker_in_34_are_found_and_excluded(shared: Path, tmp_path: Path) -> None:
    own = sorted((shared / "data/ljspeech/wavs").glob("*.wav"))
    other = sorted((shared / "data/librispeech_speakers/test/2414").glob("*.flac"))[:10]
    rows = write_clips([load_mono(path) for path in (*own, *other)], tmp_path)
    screened = screen_clips(rows, tmp_path, tmp_path, params(other_speakers="exclude"), "ecapa_small", map)
    assert [row.speaker for row in screened] == [0] * len(own) + [1] * len(other)
    assert [row.kept for row in screened] == [True] * len(own) + [False] * len(other)


def test_six_disguises_of_a_clip_leave_one(tmp_path: Path) -> None:
    wavs = sorted((ROOT / "data/1_recordings/sample/wavs").glob("*.flac"))[:3]
    originals = [load_mono(path) for path in wavs]
    random = np.random.default_rng(0)
    disguised = [disguise(*originals[0], random) for disguise in DISGUISES.values()]
    rows = write_clips([*originals, *disguised], tmp_path)
    screened = screen_clips(rows, tmp_path, tmp_path, PARAMS, "ecapa_small", map)
    assert [row.speaker for row in screened if row.kept] == [0, 0, 0]
    assert all(row.kept for row in screened[1:3])
    assert len({row.duplicate_group for row in (screened[0], *screened[3:])}) == 1


def load_mono(path: Path) -> tuple[np.ndarray, int]:
    samples, rate = load_audio(path)
    return to_mono(samples), rate


def write_clips(sounds_: list[tuple[np.ndarray, int]], folder: Path) -> list[AlignedClip]:
    (folder / "audio").mkdir()
    rows = [clip(f"{index:03d}-0000", len(wave) / rate) for index, (wave, rate) in enumerate(sounds_)]
    for row, (wave, rate) in zip(rows, sounds_, strict=True):
        soundfile.write(folder / row.path, wave, rate)
    return rows


@pytest.mark.parametrize("policy", ["report", "exclude"])
def test_clips_that_were_rejected_before_are_left_alone(policy: str, tmp_path: Path) -> None:
    rejected = [clip("a-0000", kept=False, reason="the ASR heard no word")]
    screened = screen_clips(rejected, tmp_path, tmp_path, params(duplicates=policy), "ecapa_small", map)
    assert screened == rejected
    assert hold_out_clips(screened, cut(rejected), params(duplicates=policy)) == rejected
