"""Filters of a template: values as a person would say them, in the language of the row.

English is written out in words. In Chinese, Cantonese, Japanese and Korean the text front end reads numerals well, so a
filter only puts them in the order and with the units of the language. What a language lacks here is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cached_property

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import UnknownCurrencyError, get_currency_name, get_currency_precision, is_currency
from jinja2 import Undefined
from num2words import num2words

from campaigns.template.values import SpokenFormError, read_date, read_number, read_time
from gpt_sovits.text.languages import language_name
from registry.names import shown

LOCALES = {"en": "en_US", "zh": "zh_Hans_CN", "yue": "yue_Hant_HK", "ja": "ja_JP", "ko": "ko_KR"}
DATE_STYLES = ("long", "full", "day", "weekday")
CLOCKS = {"zh": ("ah点", "m分"), "yue": ("ah點", "m分"), "ja": ("ah時", "m分"), "ko": ("a h시", " m분")}
ORDINALS = {"zh": "第{}", "yue": "第{}", "ja": "{}番目"}
MINOR_UNITS = {  # of English; a currency without one has no decimals
    **dict.fromkeys(("USD", "EUR", "CAD", "AUD", "NZD", "SGD", "HKD"), ("cent", "cents")),
    "GBP": ("penny", "pence"),
    "CHF": ("centime", "centimes"),
}
OWN_CURRENCIES = {
    ("zh", "CNY"): "元",
    ("yue", "HKD"): "蚊",
    ("ja", "JPY"): "円",
    ("ko", "KRW"): "원",
}  # as people say them at home
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS = dict(zip("0123456789", WORDS, strict=True))
PLUS = {"en": "plus", "zh": "加", "yue": "加", "ja": "プラス", "ko": "플러스"}
SEPARATORS = " -/.()"  # between the groups of a telephone number
MAX_CODE_CHARACTERS = 40


class SpokenForms:
    """The filters of one language."""

    def __init__(self, language: str) -> None:
        """Prepare the filters.

        Args:
            language: ISO 639 code.

        Raises:
            ValueError: There are no spoken forms of the language.
        """
        if language not in LOCALES:
            raise ValueError(f"there are no spoken forms in {language_name(language)}; known: {', '.join(LOCALES)}")
        self.language = language

    @cached_property
    def _locale(self) -> Locale:
        try:
            return Locale.parse(LOCALES[self.language])
        except UnknownLocaleError as error:
            raise ValueError(f"babel has no locale {LOCALES[self.language]}; install the requirements again") from error

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return the filters by the name that they have in templates."""
        return {
            "name": self.name,
            "number": self.number,
            "ordinal": self.ordinal,
            "plural": self.plural,
            "money": self.money,
            "date": self.date,
            "time": self.time,
            "digits": self.digits,
            "default": default,
        }

    def name(self, value: object) -> str:
        """Return a name that has only capitals or none as names are written: ANNA O'BRIEN becomes Anna O'Brien."""
        text = str(value)
        if text not in (text.upper(), text.lower()):
            return text
        letters = [
            letter.upper() if index == 0 or not text[index - 1].isalpha() else letter.lower()
            for index, letter in enumerate(text)
        ]
        return "".join(letters)

    def number(self, value: object) -> str:
        """Return a number as it is said."""
        return self._number(read_number(str(value)))

    def ordinal(self, value: object) -> str:
        """Return a whole number from 1 on as an ordinal, such as third."""
        number = read_number(str(value))
        if number != int(number) or number < 1:
            raise SpokenFormError(f"{shown(str(value))} cannot be an ordinal; write a whole number from 1 on")
        if self.language == "en":
            return str(num2words(int(number), to="ordinal", lang="en"))
        if self.language not in ORDINALS:
            raise self._unsupported("ordinal")
        return ORDINALS[self.language].format(int(number))

    def plural(self, value: object, one: str, other: str) -> str:
        """Return the form of a word that goes with a number, by the rules of the language."""
        return one if self._locale.plural_form(read_number(str(value))) == "one" else other

    def money(self, value: object, currency: str) -> str:
        """Return an amount as it is said, such as twenty-five dollars and fifty cents.

        Args:
            value: The amount.
            currency: ISO 4217 code, such as USD.
        """
        code = str(currency).upper()
        amount = read_number(str(value))
        if not code.isascii() or len(code) != 3 or not is_currency(code):
            raise SpokenFormError(f"{shown(str(currency))} is not a currency; write its ISO 4217 code, such as USD")
        precision = get_currency_precision(code)
        if amount != round(amount, precision):
            raise SpokenFormError(f"{shown(str(value))} has more decimals than {code}, which has {precision}")
        if self.language == "en":
            return self._english_money(amount, code)
        try:
            unit = OWN_CURRENCIES.get((self.language, code)) or get_currency_name(code, locale=self._locale)
        except UnknownCurrencyError:
            raise self._unsupported(f"money in {code}") from None
        return f"{self._number(amount)}{' ' * (self.language == 'ko' and ' ' in unit)}{unit}"

    def date(self, value: object, style: str = "long") -> str:
        """Return a day as it is said.

        Args:
            value: The day, in ISO 8601.
            style: long: with the year. full: with weekday and year. day: without the year. weekday: only that.
        """
        day = read_date(str(value))
        if style not in DATE_STYLES:
            raise SpokenFormError(f"date has no style {shown(str(style))}; it has {', '.join(DATE_STYLES)}")
        if style == "day":
            return format_skeleton("MMMMd", day, locale=self._locale)
        return format_date(day, "EEEE" if style == "weekday" else style, locale=self._locale)

    def time(self, value: object) -> str:
        """Return a time of the day as it is said, such as three thirty PM."""
        clock = read_time(str(value))
        if self.language == "en":
            return " ".join(format_time(clock, "h:mm a" if clock.minute else "h a", locale=self._locale).split())
        hours, minutes = CLOCKS[self.language]
        return format_time(clock, hours + minutes * bool(clock.minute), locale=self._locale)

    def digits(self, value: object) -> str:
        """Return a code or a telephone number sign by sign, with a pause between its groups."""
        text = str(value)
        groups: list[list[str]] = [[]]
        for sign in text:
            if sign in SEPARATORS:
                groups.append([])
            elif sign == "+" or (sign.isascii() and sign.isalnum()):
                groups[-1].append(self._sign(sign))
            else:
                raise SpokenFormError(
                    f"{shown(text)} has {shown(sign)}; a code has letters of A to Z, digits and + - / . ()"
                )
        if len(text) > MAX_CODE_CHARACTERS or not any(groups):
            raise SpokenFormError(f"{shown(text)} is not a code; one has 1 to {MAX_CODE_CHARACTERS} letters and digits")
        return ", ".join(" ".join(group) for group in groups if group)

    def _sign(self, sign: str) -> str:
        if sign == "+":
            return PLUS[self.language]
        return DIGITS[sign] if self.language == "en" and sign.isdigit() else sign.upper()

    def _number(self, number: Decimal) -> str:
        plain = number.normalize()
        if self.language == "en":
            return str(num2words(int(plain) if plain == int(plain) else plain, lang="en"))
        return f"{plain:f}"

    def _english_money(self, amount: Decimal, code: str) -> str:
        whole, minor = divmod(abs(amount), 1)
        cents = int(minor * 10 ** get_currency_precision(code))
        if cents and code not in MINOR_UNITS:
            raise self._unsupported(f"money in {code} with decimals")
        parts = []
        if whole or not cents:
            unit = get_currency_name(code, count=int(whole), locale=self._locale)
            parts.append(f"{num2words(int(whole), lang='en')} {unit}")
        if cents:
            parts.append(f"{num2words(cents, lang='en')} {MINOR_UNITS[code][cents != 1]}")
        return "minus " * (amount < 0) + " and ".join(parts)

    def _unsupported(self, what: str) -> SpokenFormError:
        return SpokenFormError(f"{what} is not supported in {language_name(self.language)}; write it as it is said")


def default(value: object, other: object) -> object:
    """Return a value, or another one where its cell is empty or there is no such column."""
    return other if isinstance(value, Undefined) else value
