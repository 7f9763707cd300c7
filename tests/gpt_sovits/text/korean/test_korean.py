"""Korean: normalization, then the articles of the Standard Pronunciation one by one."""

import re
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.korean.normalization import FINALS, INITIALS, VOWELS, name_letters, spoken_form
from gpt_sovits.text.korean.numbers import native_numeral, number, number_before_counter, sino_numeral
from gpt_sovits.text.korean.phonemes import VOWEL_PARTS, text_to_phonemes
from gpt_sovits.text.korean.rules import CLOSED_FINALS, FINALS_BEFORE_H, FINALS_BEFORE_VOWEL
from gpt_sovits.text.korean.words import BORDER_SIGNS, WORDS
from gpt_sovits.text.symbols import KOREAN, PUNCTUATION, SYMBOL_IDS

SPOKEN = {
    # money
    "₩15,000과 ₩3만": "만오천원과 삼만 원",
    "$20, $3.50, $0.05, $5.00": "이십달러, 삼달러 오십센트, 오센트, 오달러",
    "€1.5와 £2": "일점오유로와 이파운드",
    # counters
    "3개, 20살, 21명, 100명": "세개, 스무살, 스물한명, 백명",
    "3 마리를 2번": "세 마리를 두번",
    "3개월, 3층, 5분, 5인분, 3대학": "삼개월, 삼층, 오분, 오인분, 삼대학",
    "20대, 2대, 제1장, 3번 출구, 3번 했다": "이십대, 두대, 제일장, 삼번 출구, 세번 했다",
    "3:1, 6·25, 8·15, 12·12": "삼 대 일, 육이오, 팔일오, 십이십이",
    "2시경, 10명당": "두시경, 열명당",
    "1번째, 2번째": "첫번째, 두번째",
    "3시, 13시, 3시간": "세시, 십삼시, 세시간",
    "1권에서, 2권과 3권에서, 책 3권을": "일권에서, 이권과 삼권에서, 책 세권을",
    "3장에서, 종이 3장에": "삼장에서, 종이 세장에",
    "4대 보험, 차 4대, 10대": "사대 보험, 차 네대, 십대",
    "손님 3분이, 3분 뒤에, 신문 3부를, 2부에서": "손님 세분이, 삼분 뒤에, 신문 세부를, 이부에서",
    # dates and times
    "2026-10-03, 2026/6/6, 2026.1.2": "이천이십육년 시월 삼일, 이천이십육년 유월 육일, 이천이십육년 일월 이일",
    "11/25(수)": "십일월 이십오일 수요일",
    "15:05, 3:30, 1:02:03": "십오시 오분, 세시 삼십분, 한시 이분 삼초",
    "45:99": "사십오 대 구십구",
    # decimals, fractions, percent, degrees
    "3.14, 0.5, .5": "삼점일사, 영점오, 영점오",
    "3/4, ½, 6/5, 1/16": "사분의 삼, 이분의 일, 유월 오일, 십육분의 일",
    "50%, 3.5 %": "오십퍼센트, 삼점오퍼센트",
    "-5°C, 100°F, -3": "영하 오도, 화씨 백도, 마이너스 삼",
    "1+1=2": "일 더하기 일은 이",
    "버전 2.0.1": "버전 이점영점일",
    # ranges and telephone numbers
    "10~20명, 3-4개, 1~2": "열에서 스무명, 세에서 네개, 일에서 이",
    "010-1234-5678, 02-123-4567, 1588-1234": "공일공, 일이삼사, 오육칠팔, 공이, 일이삼, 사오육칠, 일오팔팔, 일이삼사",
    # units
    "5km, 100km/h, 8GB, 3m2": "오킬로미터, 시속 백킬로미터, 팔기가바이트, 삼제곱미터",
    "1.5mm², 5mg/L, 2m³": "일점오제곱밀리미터, 리터당 오밀리그램, 이세제곱미터",
    # any dash, codes
    "–5°C, –3, 5–10명, 9:00–11:00": "영하 오도, 마이너스 삼, 다섯에서 열명, 아홉시에서 열한시",
    "번호는 4826, 번호 3개, 669775550": "번호는 사팔이육, 번호 세개, 육육구칠칠오오오공",
    # addresses: Latin words stay
    "foo_bar@mail.co.kr로": "foo 언더바 bar 골뱅이 mail 점 co 점 kr로",
    "https://www.example.com/a1 참고": "example 점 com 슬래시 a일 참고",
    "GPT-SoVITS": "GPT SoVITS",
    # marks and letters
    "“네”라고 (작게) 말했다!!": "네라고, 작게, 말했다!",
    "정말…?": "정말?",
    "ㅋㅋㅋ ㅎㅎ ㅠㅠ ㄱ": "크크크 흐흐 유유 기역",
    "(주)가나": "주식회사 가나",
    "#1 #서울": "넘버 일 해시태그 서울",
    "...!": "",
    "♪": "",
}


@pytest.mark.parametrize("written", SPOKEN)
def test_spoken_form(written):
    assert spoken_form(written) == SPOKEN[written]


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("0", "영"),
        ("10", "십"),
        ("110", "백십"),
        ("1111", "천백십일"),
        ("10000", "만"),
        ("11000", "만천"),
        ("100000000", "일억"),
        ("100010000", "일억일만"),
        ("20305", "이만삼백오"),
        ("1" + "0" * 16, "일경"),
        ("007", "공공칠"),
        ("1" * 21, "일" * 21),
    ],
)
def test_sino_korean_numerals(digits, words):
    assert sino_numeral(digits) == words


def test_native_numerals_and_decimals():
    assert [native_numeral(n) for n in ("1", "3", "20", "21", "99", "100")] == [
        "한",
        "세",
        "스무",
        "스물한",
        "아흔아홉",
        "백",
    ]
    assert number("12.05") == "십이점영오"
    assert [
        number_before_counter("6", "월"),
        number_before_counter("10", "월에"),
        number_before_counter("2.5", "배"),
    ] == ["유", "시", "이점오"]


def test_latin_letters_get_their_korean_names():
    assert name_letters("GPU와 xyz") == "지피유와 엑스와이제트"


def letters(pronounced: str) -> str:
    """Return the symbols of a pronunciation in Hangul, computed independently of the module under test."""
    symbols = []
    for c in pronounced:
        if "가" <= c <= "힣":
            order = ord(c) - 0xAC00
            vowel = VOWELS[order // 28 % 21]
            symbols += [INITIALS[order // 588], *VOWEL_PARTS.get(vowel, vowel), *FINALS[order % 28]]
        else:
            symbols.append({" ": "空"}.get(c, c))
    return " ".join(symbols)


ARTICLES = {
    "5 져 쪄 쳐, and ui after a consonant": "가져 가저, 다쳐 다처, 희망 히망, 무늬 무니, 의사 의사",
    "9 closed finals": "옷 옫, 꽃 꼳, 솥 솓, 앞 압, 부엌 부억, 밖 박",
    "10 clusters": "넋 넉, 앉다 안따, 여덟 여덜, 외곬 외골, 값 갑, 밟다 밥따, 밟는 밤는, 넓죽하다 넙쭈카다",
    "11 clusters": "닭 닥, 삶 삼, 읊고 읍꼬, 맑다 막따, 맑게 말께, 읽고 일꼬, 닭과 닥꽈",
    "12.1 aspiration": "놓고 노코, 많고 만코, 닳지 달치, 각하 가카, 밝히다 발키다, 맏형 마텽, 넓히다 널피다",
    "12.2 h before s": "닿소 다쏘, 많소 만쏘, 싫소 실쏘",
    "12.3 h before n": "놓는 논는, 쌓네 싼네, 않네 안네, 뚫네 뚤레",
    "12.4 h before a vowel": "낳은 나은, 많아 마나, 싫어도 시러도",
    "13 liaison": "옷이 오시, 있어 이써, 꽃을 꼬츨, 밭에 바테, 앞으로 아프로, 깎아 까까",
    "14 liaison of clusters": "넋이 넉씨, 앉아 안자, 닭을 달글, 젊어 절머, 핥아 할타, 읊어 을퍼, 값을 갑쓸, 없어 업써",
    "15 before another word": "맛없다 마덥따, 겉옷 거돋, 헛웃음 허두슴, 값어치 가버치, 값있는 가빈는",
    "16 names of letters": "디귿이 디그시, 지읒을 지으슬, 키읔에 키으게, 티읕이 티으시, 피읖에 피으베, 히읗을 히으슬",
    "17 palatal": "굳이 구지, 밭이 바치, 벼훑이 벼훌치, 굳히다 구치다, 닫혀 다처, 묻혔다 무첟따",
    "18 nasal": "먹는 멍는, 국물 궁물, 깎는 깡는, 값만 감만, 앞마당 암마당, 꽃망울 꼰망울, 없는 엄는, 흙만 흥만",
    "19 l after nasals and stops": "담력 담녁, 강릉 강능, 대통령 대통녕, 막론 망논, 협력 혐녁, 십리 심니",
    "20 l and n": "난로 날로, 신라 실라, 칼날 칼랄, 닳는 달른, 핥네 할레, 의견란 의견난, 생산량 생산냥",
    "23 tense after stops": "국밥 국빱, 닭장 닥짱, 옷고름 옫꼬름, 있던 읻떤, 꽃다발 꼳따발, 옆집 엽찝, 값지다 갑찌다",
    "24 tense after stems": "껴안다 껴안따, 앉고 안꼬, 삼고 삼꼬, 닮고 담꼬, 젊지 점찌, 굶기다 굼기다, 옮기다 옴기다",
    "25 tense after stems": "넓게 널께, 핥다 할따, 훑소 훌쏘, 떫지 떨찌, 여덟도 여덜도",
    "26 tense in Sino-Korean words": "갈등 갈뜽, 발동 발똥, 일시 일씨, 물질 물찔, 발전 발쩐, 결정 결쩡",
    "27 tense after -l": "할걸 할껄, 할수록 할쑤록, 할지라도 할찌라도, 먹을게 머글께",
    "28 tense in compounds": "문고리 문꼬리, 눈동자 눈똥자, 길가 길까, 아침밥 아침빱, 강가 강까, 술잔 술짠",
    "29 n is inserted": "솜이불 솜니불, 꽃잎 꼰닙, 색연필 생년필, 담요 담뇨, 물약 물략, 서울역 서울력, 식용유 시굥뉴",
    "30 s between nouns": "콧날 콘날, 아랫니 아랜니, 툇마루 퇸마루, 베갯잇 베갠닏, 깻잎 깬닙, 나뭇잎 나문닙",
    "numbers": "십육 심뉵, 팔십 팔씹, 백이십삼 배기십쌈, 열여섯 열려섣",
}


@pytest.mark.parametrize(
    ("spelling", "pronunciation"),
    [pair.split() for pairs in ARTICLES.values() for pair in pairs.split(", ")],
)
def test_article_of_the_standard_pronunciation(spelling, pronunciation):
    assert " ".join(text_to_phonemes(spelling)[0]) == letters(pronunciation)


@pytest.mark.parametrize(
    ("text", "pronunciation"),
    [
        ("옷 한 벌", "오 탄 벌"),
        ("밥 먹는다", "밤 멍는다"),
        ("책 넣는다", "챙 넌는다"),
        ("할 것을", "할 꺼슬"),
        ("만날 사람", "만날 싸람"),
        ("옷 안", "옫 안"),  # no final moves across a space
        ("물 나온다", "물 라온다"),
        ("문을 누른다", "무늘 누른다"),  # not after an object particle
        ("신을 신고", "시늘 신꼬"),
        ("이 주가 지났다", "이 주가 지낟따"),
        ("주가가 올랐다", "주까가 올랃따"),
        ("회사건물", "회사건물"),
    ],
)
def test_words_and_grammar(text, pronunciation):
    assert " ".join(text_to_phonemes(text)[0]) == letters(pronunciation)


def test_spaces_and_marks_are_kept():
    assert text_to_phonemes("네, 가요!")[0] == ["ㄴ", "ㅔ", ",", "空", "ㄱ", "ㅏ", "ㅇ", "ㅣ", "ㅗ", "!"]
    assert text_to_phonemes("나는 ")[0][-2:] == ["ㄴ", "空"]
    assert text_to_phonemes(" 를 ")[0] == ["空", "ㄹ", "ㅡ", "ㄹ", "空"]


def test_chinese_characters_are_read_in_korean():
    assert text_to_phonemes("漢字")[0] == text_to_phonemes("한자")[0]


@pytest.mark.parametrize("text", ["привет", "こんにちは", "٣", "吗", "สวัสดี"])
def test_other_scripts_are_refused_and_not_dropped(text):
    with pytest.raises(ValueError, match=r"cannot speak .* as Korean; write such words in Hangul"):
        text_to_phonemes(f"이것은 {text}")


def test_placeholders_of_the_lexicon_stay_in_the_spoken_form():
    assert spoken_form("이 \ue001를 3개") == "이 \ue001를 세개"


@pytest.mark.parametrize("text", ["", " ", ".", "…", "👍", "\x00\x07", "“”", "\u200b"])
def test_nothing_to_say(text):
    assert all(symbol in PUNCTUATION for symbol in text_to_phonemes(text)[0])


def test_control_characters_emoji_and_decomposed_syllables():
    plain = text_to_phonemes("안녕 하세요")[0]
    assert text_to_phonemes("안녕\u200b 하세\x07요👍")[0][:8] == plain[:8]
    assert text_to_phonemes("\u110b\u1161\u11ab\u1102\u1167\u11bc 하세요")[0] == plain  # decomposed


@pytest.mark.parametrize("part", ["읽는 ", "1-", "a@", " ~", "漢字"])
def test_twenty_thousand_characters_take_seconds(part):
    started = time.perf_counter()
    symbols, _ = text_to_phonemes((part * 20_000)[:20_000])
    assert set(symbols) <= set(SYMBOL_IDS)
    assert time.perf_counter() - started < 30


ALLOWED = {*KOREAN, *PUNCTUATION} - {"停"}


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_spoken_or_refused(text):
    try:
        symbols, _ = text_to_phonemes(text)
    except ValueError as error:
        assert "cannot speak" in str(error)
    else:
        assert set(symbols) <= ALLOWED


@settings(max_examples=500, deadline=None)
@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=20))
def test_every_syllable_keeps_its_vowel(text):
    symbols, spoken = text_to_phonemes(text)
    assert spoken == text
    assert set(symbols) <= ALLOWED
    n_vowels = sum(len(VOWEL_PARTS.get(v, v)) for v in (VOWELS[(ord(c) - 0xAC00) // 28 % 21] for c in text))
    n_spoken = sum(symbol in "ㅏㅐㅓㅔㅗㅜㅡㅣ" for symbol in symbols)
    assert n_vowels - len(text) <= n_spoken <= n_vowels  # 져 is 저, 희 is 히


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="가없읽 힣월일시분개번째명0123456789.,:/-~₩$%°#()!?…kmGBabㅋㅏ@", max_size=30))
def test_any_korean_is_spoken_and_a_spoken_form_is_its_own_spoken_form(text):
    symbols, spoken = text_to_phonemes(text)
    assert set(symbols) <= ALLOWED
    assert spoken_form(spoken) == spoken
    assert not re.search("[0-9]", spoken)


def test_the_tables_are_complete():
    assert set(CLOSED_FINALS) == set(FINALS_BEFORE_VOWEL) == set(FINALS)
    assert set(CLOSED_FINALS.values()) == {"", *"ㄱㄴㄷㄹㅁㅂㅇ"}
    assert {stays for stays, _ in FINALS_BEFORE_VOWEL.values()} | {
        stays for stays, _ in FINALS_BEFORE_H.values()
    } <= set(CLOSED_FINALS.values())
    assert all(re.fullmatch(r"[가-힣]+(?:[*+|-][가-힣]+)+", word) for word in WORDS)
    plain = [re.sub(f"[{re.escape(''.join(BORDER_SIGNS))}]", "", word) for word in WORDS]
    assert len(plain) == len(set(plain))


def test_nothing_is_downloaded():
    """Import and use the module in a new process without sockets."""
    program = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('a socket')\n"
        "socket.socket = socket.create_connection = refuse\n"
        "from gpt_sovits.text.korean.phonemes import text_to_phonemes\n"
        "print(*text_to_phonemes('소리')[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ㅅ", "ㅗ", "ㄹ", "ㅣ"]
