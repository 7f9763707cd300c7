"""Korean: digits and the syllables said for them agree, however the text is spaced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from metrics.normalize import normalize_text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1987년 5월 3일", "천구백팔십칠 년 오월 삼일"),
        ("7시 45분", "일곱 시 사십오 분"),
        ("7:45", "일곱 시 사십오 분"),
        ("7:05", "일곱 시 오 분"),
        ("38,500원", "삼만 팔천오백 원"),
        ("216쪽", "이백십육 쪽"),
        ("12%", "십이 퍼센트"),
        ("5km", "오 킬로미터"),
        ("3개월", "삼 개월"),
        ("3개", "세 개"),
        ("20살", "스무 살"),
        ("6월 10월", "유월 시월"),
        ("010-1234-5678", "공일공 일이삼사 오육칠팔"),
        ("1번째", "첫 번째"),
        ("2.5", "이 점 오"),
        ("62번 버스", "육십이 번 버스"),
        ("62번", "예순두 번"),
        ("10,000원", "만 원"),
        ("1억 2천만", "일억 이천만"),
        ("할께요", "할게요"),
        ("18시", "십팔 시"),
        ("할 수 있다", "할수있다"),
        ("몇일", "며칠"),
    ],
)
def test_korean_as_written_and_as_spoken_agree(written: str, spoken: str) -> None:
    assert normalize_text(written, "ko") == normalize_text(spoken, "ko")


@pytest.mark.parametrize(
    ("one", "other"), [("40", "14"), ("3개", "3개월"), ("3시", "3분"), ("20살", "20세"), ("딸", "달"), ("자다", "차다")]
)
def test_what_sounds_different_stays_different(one: str, other: str) -> None:
    assert normalize_text(one, "ko") != normalize_text(other, "ko")


@given(st.integers(0, 10**12))
def test_every_number_agrees_with_its_syllables(number: int) -> None:
    assert normalize_text(f"모두 {number:,}원", "ko") == normalize_text(f"모두 {num2words(number, lang='ko')}원", "ko")
