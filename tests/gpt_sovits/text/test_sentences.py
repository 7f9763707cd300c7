"""Sentences in every language: where they end, and where long ones are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.sentences import split_sentences, width


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "他说：“你好。”然后走了。今天不错!我们走吧？好的……我不知道。",
            ["他说：“你好。”", "然后走了。", "今天不错!", "我们走吧？", "好的……我不知道。"],
        ),
        ("「はい。」と言った。そうですか！本当に？", ["「はい。」と言った。", "そうですか！", "本当に？"]),
        ("안녕하세요. 반갑습니다.다음 문장! 네?", ["안녕하세요.", "반갑습니다.", "다음 문장!", "네?"]),
        ("佢話：「早晨！」我哋走喇。", ["佢話：「早晨！」", "我哋走喇。"]),
        ("价格是3.14元。版本3.11.2很好。", ["价格是3.14元。", "版本3.11.2很好。"]),
        ("网址是example.com。Mr. Smith来了。He left. 好", ["网址是example.com。", "Mr. Smith来了。", "He left.", "好"]),
        ("第一行\n第二行", ["第一行", "第二行"]),
        ("真的吗？！是的。。。", ["真的吗？！", "是的。。。"]),
        ("。", ["。"]),
        ("", []),
    ],
)
def test_sentences_end_without_a_space_in_scripts_without_spaces(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("He said no. 12 people left.", ["He said no.", "12 people left."]),
        ("See no. 12 on the list. Go.", ["See no. 12 on the list.", "Go."]),
        ("It took 5 min. to do. 3 of them.", ["It took 5 min. to do.", "3 of them."]),
        ("On Main St. The house. St. Mary's is old.", ["On Main St.", "The house.", "St. Mary's is old."]),
        ("Open a_2.txt first. Then .3% of it.", ["Open a_2.txt first.", "Then .3% of it."]),
    ],
)
def test_a_period_after_an_abbreviation_ends_a_sentence_only_where_it_can(text, sentences):
    assert split_sentences(text) == sentences


def test_long_sentences_are_cut_at_marks_or_between_characters_but_not_inside_a_word():
    assert split_sentences("今天天气很好，我们去公园散步吧", 24) == ["今天天气很好，", "我们去公园散步吧"]
    assert split_sentences("我们去公园散步吧" * 2, 24) == ["我们去公园散步吧"] * 2
    assert split_sentences("我用TensorFlow写程序", 18) == ["我用TensorFlow", "写程序"]
    assert split_sentences("好好", 1) == ["好", "好"]


def test_the_width_of_a_character_follows_the_time_to_say_it():
    assert [width(text) for text in ("abc", "你好", "こん", "안녕", "a你")] == [3, 6, 4, 6, 4]
    long = "很" * 1000
    assert {len(piece) for piece in split_sentences(long)} == {100}


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab A.?!,;:-…\"'() \n19你好世界。，！？「」こん안녕", max_size=80), st.integers(3, 30))
def test_splitting_loses_nothing_and_keeps_the_limit(text, max_characters):
    pieces = split_sentences(text, max_characters)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece.strip() and width(piece) <= max_characters for piece in pieces)
