"""The parts of a transcript that belong to each clip, in languages that the ASR aligns.

The sound is a table here: an aligner that knows in which clip each token is said, and when.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from metrics.errors import AlignmentError
from metrics.forced_alignment import AlignedWord
from stages.alignment.cross_attention import shared_texts
from stages.alignment.heard_places import OpenRun, anchored_clips, place_tokens, places_by_length
from stages.alignment.matching import Token
from stages.alignment.written_tokens import written_tokens


def test_the_words_that_the_asr_heard_are_anchors_and_a_lone_character_is_not() -> None:
    tokens = [[character] for character in "今天很好我们走吧"]
    assert anchored_clips(tokens, [list("今天很"), list("我门走")]) == [0, 0, 0, None, None, None, None, None]
    assert anchored_clips(tokens, [list("今天很好"), list("我们走吧")]) == [0] * 4 + [1] * 4
    assert anchored_clips(tokens, [[], []]) == [None] * 8


def test_only_a_run_between_the_anchors_of_different_clips_is_open() -> None:
    assert place_tokens([0, None, 0, 1], 2) == ([0, 0, 0, 1], [])
    assert place_tokens([0, None, None, 1], 2) == ([0, 0, 0, 1], [OpenRun(1, 3, 0, 1)])
    assert place_tokens([None, 1, None], 3) == ([0, 1, 1], [OpenRun(0, 1, 0, 1), OpenRun(2, 3, 1, 2)])
    assert place_tokens([None, None], 2) == ([0, 0], [OpenRun(0, 2, 0, 1)])


def test_tokens_are_spread_by_length_where_nothing_is_known() -> None:
    assert places_by_length(4, [1.0, 3.0]) == [0, 1, 1, 1]


class Recording:
    """Clips with what is said in each, one token every 0.2 s."""

    def __init__(self, clips: list[str], language: str) -> None:
        self.spoken = [written_tokens(text, language) for text in clips]
        self.tokens = [token for tokens in self.spoken for token in tokens]
        self.seconds = [0.2 * len(tokens) + 0.5 for tokens in self.spoken]
        self.windows: list[list[int]] = []

    def align(self, clips: Sequence[int], tokens: Sequence[Token]) -> list[AlignedWord]:
        """Align as a good recogniser does: the tokens that are said in the window get their times."""
        self.windows.append(list(clips))
        times, start = [], 0.0
        for clip in clips:
            times += [start + 0.2 * index for index in range(len(self.spoken[clip]))]
            start += self.seconds[clip]
        said = [token for clip in clips for token in self.spoken[clip]]
        if list(tokens) != said:
            raise AlignmentError("other words are said")
        return [AlignedWord(token.written, time, time + 0.2, 0.9) for token, time in zip(tokens, times, strict=True)]


@pytest.mark.parametrize(
    ("language", "clips", "heard"),
    [
        (
            "zh",
            ["今天天气很好，", "我用Windows系统。", "再见，朋友们！"],
            ["今天天气很好", "我用windows系统", "再见朋友们"],
        ),
        ("zh", ["今天天气很好，", "我用Windows系统。", "再见，朋友们！"], ["今天天气恨", "窝用windows系统", "朋友们"]),
        ("ja", ["今日は天気がいいです。", "散歩に行きましょう。"], ["今日は天気がいい", "産後に行きましょう"]),
        ("yue", ["我哋係香港人，", "你呢？", "佢喺邊度呀？"], ["我地係香港人", "", "佢喺邊度呀"]),
        ("ko", ["오늘은 날씨가 맑아요.", "산책하러 갑시다."], ["오늘은 날씨가 말가요", "산책하러 갑시다"]),
    ],
)
def test_each_clip_has_its_part_of_the_transcript(language: str, clips: list[str], heard: list[str]) -> None:
    recording = Recording(clips, language)
    found = shared_texts(recording.tokens, heard, recording.seconds, language, recording.align)
    assert [text.text for text in found] == clips
    assert [text.fault for text in found] == [""] * len(clips)
    for text, tokens in zip(found, recording.spoken, strict=True):
        assert [word for word, _, _ in text.times] == [token.spoken[0] for token in tokens]
        assert text.times[0][1] == pytest.approx(0.0)


def test_a_window_is_never_longer_than_what_can_be_aligned() -> None:
    texts = ["今天天气很好我们去公园走走吧"] * 12
    recording = Recording(texts, "zh")
    seconds = [10.0] * len(texts)
    found = shared_texts(recording.tokens, ["", *texts[1:5], *[""] * 6, texts[11]], seconds, "zh", recording.align)
    assert all(len(window) <= 3 for window in recording.windows)
    assert "".join(text.text for text in found) == "".join(texts)


def test_a_clip_without_words_of_the_transcript_has_an_empty_text() -> None:
    recording = Recording(["今天很好", "", "我们走吧"], "zh")
    found = shared_texts(recording.tokens, ["今天很好", "", "我们走吧"], recording.seconds, "zh", recording.align)
    assert [text.text for text in found] == ["今天很好", "", "我们走吧"]
