"""Japanese: normalization, and symbols of the table with Tokyo pitch."""

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.japanese.normalization import spoken_form
from gpt_sovits.text.japanese.phonemes import BORDER, MISSING_CONSONANTS, text_to_phonemes
from gpt_sovits.text.symbols import JAPANESE, JAPANESE_PITCH, PAD, PUNCTUATION, SYMBOL_IDS, UNKNOWN

SPOKEN = {
    # money
    "￥1,500": "1500円",
    "¥1,234,567": "1234567円",
    "$20、$3.50、$0.05、$5.00": "20ドル、 3ドル50セント、 5セント、 5ドル",
    "€30と£5と₩900": "30ユーロと5ポンドと900ウォン",
    "¥3億": "3億円",
    # dates and times
    "2026/11/25、2026-11-25、2026.11.25": "2026年11月25日、 2026年11月25日、 2026年11月25日",
    "2026/13/45": "2026、 13、 45",
    "3/4(水)、12/31まで": "3月4日水曜日、 12月31日まで",
    "15:30、9:05、9:00、1:23:45": "15時30分、 9時5分、 9時、 1時23分45秒",
    "12:30〜13:45": "12時30分から13時45分",
    "45:99": "45対99",
    # fractions, decimals, signs
    "3/4、1/2カップ": "4分の3、 2分の1カップ",
    "6/5、9/11、1/16、5/6": "6月5日、 9月11日、 16分の1、 6分の5",
    "3:1で勝つ": "3対1で勝つ",
    "½カップ": "2分の1カップ",
    ".5と3.14": "0.5と3.14",
    "-5から+5": "マイナス5からプラス5",
    "気温-3℃、100°F": "気温マイナス3度、 華氏100度",
    "1+1=2": "1足す1イコール2",
    "2.0.1版": "2点0点1版",
    "3×4、〇×": "3×4、 まるバツ",
    # ranges and about
    "10〜20人、10-20人、10~20人": "10から20人、 10から20人、 10から20人",
    "2、3日と5、7日": "二、三日と5、 7日",
    "全部で十九、一人は三、四歳": "全部で十九、 一人は三、四歳",
    "千代田1-2-3": "千代田1の2の3",
    # telephone numbers keep what pauses
    "03-1234-5678": "03-1234-5678",
    "(03)1234-5678、03(1234)5678": "03-1234-5678、 03-1234-5678",
    "+81-90-1234-5678": "プラス81の90の1234の5678",
    # units
    "8GB、100Mbps、60km/h、5m2": "8ギガバイト、 100メガビット毎秒、 60キロメートル毎時、 5平方メートル",
    "5GBps": "5GBps",
    "1.5mm²、500mL、5mg/L": "1.5平方ミリメートル、 500ミリリットル、 5ミリグラムまいリットル",
    # any dash, codes
    "–5℃、5–10人、9:00–17:00、5月1日–5日": "マイナス5度、 5から10人、 9時から17時、 5月1日から5日",
    "番号は4826、番号は3つ、コード1000行": "番号は四八二六、 番号は3つ、 コード1000行",
    # addresses
    "foo_bar@mail.co.jpまで": "foo アンダーバー bar アット mail ドット co ドット jpまで",
    "https://www.example.com/a-b?id=3 を見る": (
        "example ドット com スラッシュ a ハイフン b クエスチョン id イコール 3を見る"
    ),
    "example.jpへ": "example ドット jpへ",
    # signs
    "C#、#1、#東京": "シーシャープ、 ナンバー1、 ハッシュタグ東京",
    "㈱山田": "株式会社山田",
    "Wi-Fi": "ワイファイ",
    "GPT-SoVITS": "GPT SoVITS",
    # marks
    "「はい」と（小声で）言った！！": "はいと、 小声で、 言った!",
    "えっ…本当に?!": "えっ… 本当に?",
    "いいよ〜": "いいよー",
    "東京 - 大阪": "東京 - 大阪",
    "GPU を使う": "GPUを使う",
    "、。！": "",
    "♪★": "",
}


@pytest.mark.parametrize("written", SPOKEN)
def test_spoken_form(written):
    assert spoken_form(written) == SPOKEN[written]


@pytest.mark.parametrize("spoken", [spoken for spoken in SPOKEN.values() if spoken])
def test_a_spoken_form_is_its_own_spoken_form(spoken):
    assert spoken_form(spoken) == spoken


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("箸を", "h a ] sh i o"),  # fall after the first mora
        ("橋を", "h a [ sh i ] o"),  # rise, fall after the second
        ("端を", "h a [ sh i o"),  # rise and no fall
        ("木", "k i"),  # one mora: no room for a mark
        ("赤い橋", f"a [ k a i {BORDER} h a [ sh i"),
        ("はい、行きます。", "h a ] i , i [ k i m a ] s u ."),
        ("学生・先生", "g a [ k u s e e _ s e [ N s e ] e"),
        ("東京 大阪", f"t o [ o ky o o {BORDER} o [ o s a k a"),
        ("今日は！？", "ky o ] o w a ?"),
        ("クァ、グァ、テュ、フュ、ヴュ", "k w a , g w a , t y u , f y u , by u"),
        ("っ、ー、ん", "cl , , N"),
    ],
)
def test_phonemes(text, symbols):
    assert " ".join(text_to_phonemes(text)[0]) == symbols


def test_accent_borders_are_written_as_unknown_or_left_out():
    text = "赤い橋を渡る。"
    with_borders, without = text_to_phonemes(text)[0], text_to_phonemes(text, accent_borders=False)[0]
    assert BORDER == UNKNOWN
    assert with_borders.count(UNKNOWN) == 2
    assert without == [symbol for symbol in with_borders if symbol != UNKNOWN]


def test_devoiced_vowels_are_plain_by_default():
    assert " ".join(text_to_phonemes("好きです")[0]) == "s u [ k i ] d e s u"
    assert " ".join(text_to_phonemes("好きです", keep_devoiced=True)[0]) == "s U [ k i ] d e s U"


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("服が汚れる", f"f u [ k u ] g a {BORDER} y o [ g o r e r u"),
        ("心が汚れる", f"k o [ k o r o ] g a {BORDER} k e [ g a r e r u"),
        ("本を開く", f"h o ] N o {BORDER} h i [ r a ] k u"),
        ("左は右", f"h i [ d a r i w a {BORDER} m i [ g i"),
        ("表を見る", f"hy o [ o o {BORDER} m i ] r u"),
        ("コードは104", f"k o ] o d o w a {BORDER} i [ ch i {BORDER} z e ] r o {BORDER} y o ] N"),
    ],
)
def test_a_reading_follows_the_neighbours_of_a_word(text, symbols):
    assert " ".join(text_to_phonemes(text)[0]) == symbols


def test_a_reading_does_not_change_the_normalized_text():
    assert text_to_phonemes("表に出る。")[1] == "表に出る。"


def test_a_telephone_number_is_read_digit_by_digit_with_pauses():
    symbols = " ".join(text_to_phonemes("03-1234-5678", accent_borders=False)[0])
    assert symbols.replace("[ ", "").replace("] ", "") == (
        "z e r o s a N , i ch i n i i s a N y o N , g o o r o k u n a n a h a ch i"
    )


@pytest.mark.parametrize("text", ["안녕하세요", "привет", "吗", "สวัสดี", "٣人"])
def test_other_scripts_are_refused_and_not_dropped(text):
    with pytest.raises(ValueError, match=r"cannot speak .* as Japanese; write such words in kana"):
        text_to_phonemes(f"これは{text}です")


def test_placeholders_of_the_lexicon_stay_in_the_spoken_form():
    assert spoken_form("\ue001を$3で") == "\ue001を3ドルで"


@pytest.mark.parametrize("text", ["", " ", "。", "…", "ー", "々", "・", "👍", "\x00\x07", "「」", "\u200b"])
def test_nothing_to_say(text):
    assert all(symbol in PUNCTUATION for symbol in text_to_phonemes(text)[0])


@pytest.mark.parametrize(
    ("text", "plain"),
    [("今日は\u200b良い\x07天気👍🏽です", "今日は良い天気です"), ("ﾌｧｲﾙ㋿", "ファイル令和"), ("か\u3099", "が")],
)
def test_control_characters_emoji_and_compatibility_forms(text, plain):
    actual, expected = ([s for s in text_to_phonemes(t)[0] if s in JAPANESE] for t in (text, plain))
    assert actual == expected


@pytest.mark.parametrize("part", ["漢字を", "1-", "a@", " 、"])
def test_twenty_thousand_characters_take_seconds(part):
    started = time.perf_counter()
    symbols, _ = text_to_phonemes((part * 20_000)[:20_000])
    assert set(symbols) <= set(SYMBOL_IDS)
    assert time.perf_counter() - started < 30


def test_a_long_text_is_cut_after_particles_without_loss():
    sentence = "声の複製に同意する"
    once = [s for s in text_to_phonemes(sentence)[0] if s not in ("[", "]", BORDER)]
    assert [s for s in text_to_phonemes(sentence * 50)[0] if s not in ("[", "]", BORDER)] == once * 50


ALLOWED = {*JAPANESE, *JAPANESE_PITCH, *PUNCTUATION, PAD, UNKNOWN}


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_spoken_or_refused(text):
    try:
        symbols, _ = text_to_phonemes(text)
    except ValueError as error:
        assert "cannot speak" in str(error)
    else:
        assert set(symbols) <= ALLOWED


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="あいんっーカャァヴ東京人本々〇0123456789.,:/-¥$%°#〜「」（）・、。!?… ab@GBkm", max_size=30))
def test_any_japanese_with_digits_and_marks_is_spoken(text):
    symbols, spoken = text_to_phonemes(text)
    assert set(symbols) <= ALLOWED
    assert "," not in spoken


def test_every_replacement_consonant_is_in_the_table():
    assert all(symbol in SYMBOL_IDS for symbols in MISSING_CONSONANTS.values() for symbol in symbols.split())


def test_nothing_is_downloaded():
    """Import and use the module in a new process without sockets."""
    program = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('a socket')\n"
        "socket.socket = socket.create_connection = refuse\n"
        "from gpt_sovits.text.japanese.phonemes import text_to_phonemes\n"
        "print(*text_to_phonemes('何の音ですか')[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["n", "a"]
