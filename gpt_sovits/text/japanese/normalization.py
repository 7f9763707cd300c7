"""Normalization of Japanese: money, dates, times, fractions, units and addresses become words.

Whole numbers with their counters stay in digits, because Open JTalk reads them with the sound changes of the counter
(1本 いっぽん, 3本 さんぼん, 20日 はつか) and the accents of compounds. The order of RULES matters: a date comes before
a fraction.
"""

import itertools
import re
import unicodedata

from gpt_sovits.text.rewriting import Rule, alternatives, rule

CURRENCIES = {"¥": ("円", ""), "$": ("ドル", "セント"), "€": ("ユーロ", "セント"), "£": ("ポンド", "ペンス")}
CURRENCIES |= {"₩": ("ウォン", ""), "₹": ("ルピー", ""), "₫": ("ドン", "")}
UNITS = {  # after a number. Open JTalk knows the metric units that are missing here
    "°C": "度", "°F": "度", "°": "度", "GB": "ギガバイト", "MB": "メガバイト", "KB": "キロバイト", "kB": "キロバイト",
    "TB": "テラバイト", "Gbps": "ギガビット毎秒", "Mbps": "メガビット毎秒", "kbps": "キロビット毎秒",
    "fps": "フレーム毎秒", "bps": "ビット毎秒", "rpm": "回転", "ppm": "ピーピーエム", "dB": "デシベル",
    "kHz": "キロヘルツ", "MHz": "メガヘルツ", "GHz": "ギガヘルツ", "ms": "ミリ秒", "ns": "ナノ秒", "sec": "秒",
    "min": "分", "h": "時間", "m/s": "メートル毎秒", "km/h": "キロメートル毎時", "mph": "マイル毎時",
    "kWh": "キロワット時", "kW": "キロワット", "MW": "メガワット", "mAh": "ミリアンペア時",
    "kcal": "キロカロリー", "cal": "カロリー", "hPa": "ヘクトパスカル", "px": "ピクセル", "pt": "ポイント",
    "μm": "マイクロメートル", "nm": "ナノメートル", "μg": "マイクログラム",
}  # fmt: skip
LENGTHS = {"km": "キロメートル", "m": "メートル", "dm": "デシメートル", "cm": "センチメートル", "mm": "ミリメートル"}
UNITS |= {length + "2": "平方" + name for length, name in LENGTHS.items()}
UNITS |= {length + "3": "立方" + name for length, name in LENGTHS.items()}
UNITS |= {"mL": "ミリリットル", "ml": "ミリリットル", "dL": "デシリットル", "L": "リットル"}
AMOUNTS = {"g": "グラム", "mg": "ミリグラム", "kg": "キログラム", "μg": "マイクログラム"}  # before a rate: 5mg/L
RATES = {key: UNITS[key] for key in ("m3", "cm3", "mm3", "m2", "cm2", "L", "mL", "dL", "ml")} | AMOUNTS
SYMBOLS = {
    "=": "イコール", "≠": "ノットイコール", "≒": "ニアリーイコール", "≈": "ニアリーイコール", "±": "プラスマイナス",
    "<": "小なり", ">": "大なり", "≤": "以下", "≥": "以上", "∞": "無限大", "√": "ルート", "@": "アット",
    "+": "プラス", "°": "度", "¥": "円", "$": "ドル", "€": "ユーロ", "£": "ポンド", "§": "セクション", "†": "",
}  # fmt: skip
ADDRESS_SIGNS = {
    ".": "ドット", "/": "スラッシュ", "-": "ハイフン", "_": "アンダーバー", ":": "コロン", "@": "アット",
    "?": "クエスチョン", "=": "イコール", "&": "アンド", "#": "シャープ", "%": "パーセント", "~": "チルダ",
    "+": "プラス",
}  # fmt: skip
COUNTERS = "人名個本枚匹頭羽冊台杯回度階歳才年月日時分秒週円つ件点社校駅倍割代位番号話章巻%"
CODE_NOUNS = "番号|コード|パスワード|暗証|ID|PIN|シリアル"  # after these, digits are read one by one
LONE_KANA = str.maketrans(
    {"ヷ": "ヴァ", "ヸ": "ヴィ", "ヹ": "ヴェ", "ヺ": "ヴォ", "ゟ": "より", "ゕ": "か", "ゖ": "け"}
)
KANJI_DIGITS = dict(zip("123456789", "一二三四五六七八九", strict=True))
ADJACENT_DIGITS = list(itertools.pairwise(KANJI_DIGITS.values()))  # 二、三 (two or three), 三、四, ...
KANJI_NUMERALS = "一二三四五六七八九十百千万億"


def _address(m: re.Match[str]) -> str:
    """Replace signs by their names. The words and numbers between them stay as they are."""
    plain = re.sub(r"^(?:https?://)?(?:www\.)?", "", m[0], flags=re.IGNORECASE).rstrip("/")
    return "".join(f" {ADDRESS_SIGNS[c]} " if c in ADDRESS_SIGNS else c for c in plain)


def _money(m: re.Match[str]) -> str:
    """Read money: '$3.50' -> '3ドル50セント', '¥3億' -> '3億円'."""
    unit, cent = CURRENCIES[m["sign"]]
    whole, _, fraction = m["amount"].partition(".")
    if m["kanji"]:
        return m["amount"] + m["kanji"] + unit
    if cent and len(fraction) == 2:
        cents = f"{int(fraction)}{cent}" if int(fraction) else ""
        return (f"{whole}{unit}" if whole.strip("0") or not cents else "") + cents
    return m["amount"] + unit


def _date(m: re.Match[str]) -> str:
    year, month, day = m["year"], int(m["month"]), int(m["day"])
    return f"{year}年{month}月{day}日" if 1 <= month <= 12 and 1 <= day <= 31 else m[0]


def _time(m: re.Match[str]) -> str:
    hour, minute, second = int(m["hour"]), int(m["minute"]), int(m["second"] or 0)
    if hour > 24 or minute > 59 or second > 59:
        return f"{hour}対{minute}" if m["second"] is None else m[0]
    return f"{hour}時" + (f"{minute}分" if minute or m["second"] else "") + (f"{second}秒" if m["second"] else "")


def _slash(m: re.Match[str]) -> str:
    """Read 3/4 as a fraction, and 11/25 and 6/5 as days (see `is_day`)."""
    upper, lower, rest = int(m[1]), int(m[2]), m[3] or ""
    day = 1 <= upper <= 12 and 1 <= lower <= 31 and (m[3] is not None or is_day(upper, lower))
    return (f"{upper}月{lower}日" if day else f"{lower}分の{upper}") + rest


def is_day(upper: int, lower: int) -> bool:
    """Return whether a/b is more likely month and day than a fraction, which is below 1 with a common denominator."""
    return upper >= lower or (lower > 10 and lower not in (12, 16, 20, 24))


def _rate(m: re.Match[str]) -> str:
    return f"{AMOUNTS[m['unit']]}まい{RATES[m['rate']]}"


def _code(m: re.Match[str]) -> str:
    """Write the digits of a code so that Open JTalk reads them one by one: in kanji, or with spaces if one is zero."""
    digits = m["digits"]
    return m["before"] + (" ".join(digits) if "0" in digits else "".join(KANJI_DIGITS[digit] for digit in digits))


def _plain_hyphens(m: re.Match[str]) -> str:
    """Read 1-2-3 as an address (一の二の三) and 10-20人 as a range. Telephone numbers keep their hyphens as pauses."""
    if m[0].startswith("0") or (m[0].count("-") == 1 and len(m[0]) == 8 and m[0][3] == "-"):
        return m[0]
    counter = m.string[m.end() : m.end() + 1]
    return m[0].replace("-", "から" if m[0].count("-") == 1 and counter and counter in COUNTERS else "の")


def _adjacent_digits(m: re.Match[str]) -> str:
    """Write "two or three days" (2、3日) in kanji, where its comma does not end a clause. 5、7日 is two days."""
    return f"{KANJI_DIGITS[m[1]]}、{KANJI_DIGITS[m[2]]}" if int(m[2]) == int(m[1]) + 1 else m[0]


NUMBER = r"\d+(?:\.\d+)?"
RULES: list[Rule] = [
    rule(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}", _address),
    rule(r"(?:https?://|www\.)[A-Za-z0-9._/:?=&#%~+-]*[A-Za-z0-9/]", _address, re.IGNORECASE),
    rule(r"(?<![A-Za-z0-9.])(?:[A-Za-z0-9-]{1,63}\.){1,8}(?:com|org|net|jp|io|ai|dev|tv)(?:/[\w./-]*\w)?(?![A-Za-z0-9])",
         _address, re.ASCII),
    rule(r"(?<=\d),(?=\d{3}(?!\d))", ""),
    rule(r"(?<![\dA-Za-z])\.(?=\d)", "0."),
    rule(rf"(?P<sign>[{''.join(CURRENCIES)}])\s?(?P<amount>{NUMBER})\s?(?P<kanji>[万億兆]?)", _money),
    rule(r"(?<![\d/.-])(?P<year>\d{4})(?P<s>[/.-])(?P<month>\d{1,2})(?P=s)(?P<day>\d{1,2})(?![\d/.-]\d|\d)", _date),
    rule(r"(?<![\d:])(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?![\d:])", _time),
    rule(r"(?<=\d):(?=\d)", "対"),
    rule(r"(?<![\d/])(\d{1,2})/(\d{1,3})(?![\d/])(\s?(?:\((?=[月火水木金土日]\))|日|号|付|まで|から|に))?", _slash),
    rule(r"\(([月火水木金土日])(?:曜日?)?\)", lambda m: m[1] + "曜日"),
    rule(r"〒\s?(?=\d)", "郵便番号"),
    rule(r"\(株\)", "株式会社"),
    rule(r"\(有\)", "有限会社"),
    rule(r"(?<!\d)([1-9])(?:、|, ?)([1-9])(?=[" + COUNTERS + "])", _adjacent_digits),
    rule(rf"(?<=[\d{COUNTERS}])\s?[~〜]\s?(?=\d)|(?<=\d)\s?[–—]\s?(?=\d)|(?<=\d[{COUNTERS}])[–—](?=\d)", "から"),
    rule(rf"(?P<before>(?:{CODE_NOUNS})(?:は|が|の|:)?\s?)(?P<digits>[1-9]\d{{2,}})(?![\d.,{COUNTERS}行つ-])", _code),
    rule(rf"(?P<before>(?<![\d.,-]))(?P<digits>[1-9]\d{{8,}}(?<!000))(?![\d.,{COUNTERS}-])", _code),
    rule(r"\+(?=\d{1,3}-\d)", "プラス"),
    rule(r"\((0\d{1,4})\)\s?(?=\d)", lambda m: m[1] + "-"),
    rule(r"(?<=\d{2})\((\d{1,4})\)(?=\d{4})", lambda m: f"-{m[1]}-"),
    rule(r"(?<![\d-])\d+(?:-\d+)+(?![\d-])", _plain_hyphens),
    rule(r"(?<![A-Za-z0-9.])[-−–](?=\.?\d)", "マイナス"),
    rule(r"(?<=\d)−(?=\d)", "ひく"),
    rule(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])", lambda m: m[0].replace(".", "点")),
    rule(rf"(マイナス)?(?<![\d.])({NUMBER})\s?°F", lambda m: f"華氏{m[1] or ''}{m[2]}度"),
    rule(rf"(?<=\d)\s?(?P<unit>{alternatives(AMOUNTS)})/(?P<rate>{alternatives(RATES)})(?![A-Za-z0-9])", _rate),
    rule(rf"(?<=\d)\s?({alternatives(UNITS)})(?![A-Za-z0-9])", lambda m: UNITS[m[1]]),
    rule(r"(?<=\d)\+(?=\d)", "足す"),
    rule(r"×(?!\s?\d)", "バツ"),
    rule(r"(?<![A-Za-z])C#", "シーシャープ"),
    rule(r"#(?=\d)", "ナンバー"),
    rule(r"#(?=\w)", "ハッシュタグ"),
    rule(r"(?<![A-Za-z])Wi-Fi(?![A-Za-z])", "ワイファイ", re.IGNORECASE),
    rule(rf"(?<![{KANJI_NUMERALS}〇])〇(?![{KANJI_NUMERALS}〇])", "まる"),
    rule(r"(?<![\d々\u3400-\u9fff])[ヵヶ]", lambda m: {"ヵ": "カ", "ヶ": "ケ"}[m[0]]),
    rule(r"(?<=[\u3040-\u30ff])[~〜]+", "ー"),
    rule(r"(?<=[A-Za-z])[-'](?=\w)|(?<=\d)-(?=[A-Za-z])", " "),
    rule(f"[{re.escape(''.join(SYMBOLS))}]", lambda m: SYMBOLS[m[0]]),
]  # fmt: skip
# punctuation as Japanese writes it, the strongest mark first, and other marks that become one of these
PAUSE_MARKS = "?!…。-、"
MARK_TRANSLATIONS = str.maketrans({**dict.fromkeys(";:()[]{}/→⇒|,", "、"), **dict.fromkeys("–—―─", "-"), "．": "。"})
KEPT_CHARACTERS = re.compile(r"[^\W_]|[ー・%&×÷\ue000-\uf8ff]|[" + re.escape(PAUSE_MARKS) + "]")

QUOTES = '「」『』“”"‘’〝〟'
# a space between these is typography, while katakana may be a separate word
LATIN, JAPANESE = "[A-Za-z0-9]", "[\u3041-\u309f\u3400-\u9fff々]"


def spoken_form(text: str) -> str:
    """Return a Japanese text as it is spoken.

    Compatibility forms are composed (½ is 1/2, ㎏ is kg), accents of Latin letters are folded, quotes are dropped, and
    brackets become pauses. A run of punctuation becomes its strongest mark. A period stays inside a number, a hyphen
    inside a telephone number, and the comma of "二、三日" does not end a clause. Symbols without a name are dropped.
    Private-use characters are kept, because they may be placeholders of the lexicon's words.

    Args:
        text: Any text.

    Returns:
        Kana, kanji, digits, Latin and Greek letters and placeholders with the marks ? ! … 。 - 、
    """
    text = unicodedata.normalize("NFKC", text).replace("\N{FRACTION SLASH}", "/").replace("...", "…")
    text = re.sub("[\u00c0-\u024f\u1e00-\u1eff]", _strip_accent, text)
    text = re.sub("[\u3099\u309a]", "", text.translate(LONE_KANA))  # voicing marks after letters that cannot carry them
    text = _close_gaps(re.sub(r"\s+", " ", re.sub(f"[{QUOTES}]", "", text)))
    for pattern, words in RULES:
        text = pattern.sub(words, text)
    text = re.sub(r"\.(?!\d)|(?<!\d)\.", "。", text).translate(MARK_TRANSLATIONS)
    text = "".join(c if c == "." or KEPT_CHARACTERS.match(c) else _replacement(c) for c in text)
    text = re.sub(r"\s+", " ", text)
    marks = f"[{re.escape(PAUSE_MARKS)}]"
    text = re.sub(rf"(?<!\d)-|-(?!\d)|[{re.escape(PAUSE_MARKS.replace('-', ''))}]", r" \g<0> ", text)
    text = re.sub(rf" (?:{marks} *)+", _strongest_mark, text)
    text = re.sub("|".join(f"{a} ?、 ?{b}" for a, b in ADJACENT_DIGITS), lambda m: m[0].replace(" ", ""), text)
    return _close_gaps(re.sub(r" +", " ", text)).strip().lstrip(PAUSE_MARKS + " ")


def _close_gaps(text: str) -> str:
    return re.sub(rf"(?<={LATIN}) +(?={JAPANESE})|(?<={JAPANESE}) +(?={LATIN})", "", text)


def _strip_accent(m: re.Match[str]) -> str:
    return unicodedata.normalize("NFKD", m[0])[0]


def _replacement(character: str) -> str:
    return "" if unicodedata.category(character) in ("Mn", "Cf") else " "


def _strongest_mark(m: re.Match[str]) -> str:
    return min((c for c in m[0] if c in PAUSE_MARKS), key=PAUSE_MARKS.index) + " "
