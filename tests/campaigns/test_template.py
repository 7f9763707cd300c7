"""What a template may hold, what its filters say, and that nothing in a cell is ever run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.errors import CampaignError
from campaigns.template.rendering import CampaignTemplate, RowError
from campaigns.template.spoken import SpokenForms
from campaigns.template.values import SpokenFormError
from gpt_sovits.text.frontend import phonemize


def render(source, variables, language="en", *, disclosure=None, max_characters=2000):
    return CampaignTemplate(source, disclosure, own_language="en").render(
        variables, language, max_characters=max_characters
    )


def reason(source, variables, language="en", **options):
    with pytest.raises(RowError) as caught:
        render(source, variables, language, **options)
    return str(caught.value.reason)


def test_variables_filters_and_conditions_make_one_line():
    source = """
    Hello {{ first_name | name }},
    {# a note #}
    {% if vip is yes and city in ("Rome", "Oslo") %}dear friend of {{ city }},
    {% elif vip is given %}dear guest,{% endif %}
    your {{ count | plural("parcel", "parcels") }} cost {{ amount | money("EUR") }}{{ "!" if city == "Rome" else "." }}
    """
    variables = {"first_name": "ANNA", "vip": "yes", "city": "Rome", "count": "2", "amount": "3.50"}
    disclosure = "A computer speaks"
    assert render(source, variables, disclosure=disclosure) == (
        "A computer speaks. Hello Anna, dear friend of Rome, your parcels cost three euros and fifty cents!"
    )
    assert "dear guest" in render(source, variables | {"vip": "no"})


@given(st.text(max_size=60))
def test_what_a_cell_holds_is_said_and_never_run(cell):
    assert render("{{ a }}", {"a": cell}) == " ".join(cell.split())
    assert render("{{ a }}", {"a": "{{ 7 * 7 }}{% raw %}"}) == "{{ 7 * 7 }}{% raw %}"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, "unknown_variable"), ({"day": None}, "missing_variable"), ({"day": "5.3.26"}, "unreadable_value")],
)
def test_a_row_without_a_readable_value_is_refused_with_the_reason(variables, expected):
    assert reason("On {{ day | date }}.", variables) == expected
    assert reason("{% if day is yes %}On{% endif %}", variables) == expected


def test_a_default_stands_for_an_empty_cell():
    assert render("Dear {{ name | default('friend') }}", {"name": None}) == "Dear friend"
    assert render("Dear {{ name | default(other) }}", {"other": "you"}) == "Dear you"


def test_a_text_is_bounded_while_it_is_made():
    assert reason("{{ a }}" * 100, {"a": "x" * 1000}, max_characters=500) == "text_too_long"


def test_a_disclosure_is_said_first_in_the_language_of_the_row():
    both = {"en": "A computer speaks.", "zh": "这是电脑"}
    assert render("你好", {}, "zh", disclosure=both) == "这是电脑。 你好"
    assert reason("你好", {}, "zh", disclosure="A computer speaks.") == "wrong_language"
    assert render("{{ language }}", {}, "zh") == "zh"


REFUSED = [
    "{{ ''.__class__ }}",
    "{{ x.y }}",
    "{{ x['y'] }}",
    "{{ x[0:9] }}",
    "{{ x() }}",
    "{{ range(9) }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ _x }}",
    "{{ loop }}",
    "{{ x ~ x }}",
    "{{ 'a' * 999999999 }}",
    "{{ 2 ** 9999999 }}",
    "{{ 1 + 1 }}",
    "{{ -x }}",
    "{{ x | upper }}",
    "{{ x | attr('y') }}",
    "{{ x | map('upper') }}",
    "{{ x | date(style='full') }}",
    "{{ x | date(*y) }}",
    "{{ x | date(y | name) }}",
    "{% for a in b %}{% endfor %}",
    "{% for a in range(10 ** 9) %}x{% endfor %}",
    "{% while 1 %}{% endwhile %}",
    "{% set a = 1 %}",
    "{% macro a() %}{{ a() }}{% endmacro %}",
    "{% call x() %}{% endcall %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{% block a %}{% endblock %}",
    "{% filter upper %}a{% endfilter %}",
    "{% with a = 1 %}{% endwith %}",
    "{% autoescape true %}{% endautoescape %}",
    "{% do x %}",
    "{% break %}",
    "{% debug %}",
    "{% if x %}a{% endif %}",
    "{% if not x %}a{% endif %}",
    "{{ 'a' if x else 'b' }}",
    "{{ 'a' if x is yes }}",
    "{% if x == 1 %}{% endif %}",
    "{% if x < '9' %}{% endif %}",
    "{% if x in y %}{% endif %}",
    "{% if x == ('a', 'b') %}{% endif %}",
    "{% if x is defined %}{% endif %}",
    "{% if x is divisibleby 3 %}{% endif %}",
    "{% if 'x' is given %}{% endif %}",
    "{{ [x] }}",
    "{{ (x, x) }}",
    "{{ {'a': x} }}",
    "{{ x is yes }}",
    "{{ x == 'a' }}",
    "{{ 5 }}",
    "{{ none }}",
    "{{ true }}",
    "{{ x",
    "{% if x is yes %}",
    "{{ }}",
    "{{ " + "(" * 5000 + "x" + ")" * 5000 + " }}",
    "{{ " + "9" * 5000 + " }}",
    "{% if x is yes %}" * 40 + "{% endif %}" * 40,
    "{{ x" + " | name" * 60 + " }}",
    "x" * 20_001,
    "{% if " + "not " * 500 + "x is yes %}{% endif %}",
    "{{ x.__class__.__mro__[1].__subclasses__() }}",
    "{{ ().__class__ }}",
    "{{ request }}{{ request.application }}",
    "{% trans %}{% endtrans %}",
    "{{ x|string|list }}",
]


@pytest.mark.parametrize("source", REFUSED, ids=lambda source: source[:40])
def test_a_template_that_holds_anything_else_is_refused_before_it_runs(source):
    with pytest.raises(CampaignError, match="the template"):
        CampaignTemplate(source, None, own_language="en")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ amount | money }}", r"is written money\(currency\)"),
        ("{{ count | plural('one') }}", r"is written plural\(one, other\)"),
        ("{{ day | date('full', 'day') }}", r"is written date\(style\)"),
        ("{{ city | name('x') }}", "is written without"),
        ("{{ city | default }}", r"is written default\(other\)"),
    ],
)
def test_a_filter_with_other_arguments_than_it_takes_is_refused_with_its_spelling(source, message):
    with pytest.raises(CampaignError, match=message):
        CampaignTemplate(source, None, own_language="en")


TOKENS = st.sampled_from(
    [
        "{{",
        "}}",
        "{%",
        "%}",
        " if ",
        " endif ",
        " for ",
        " in ",
        " x ",
        "'a'",
        "(",
        ")",
        ".",
        "__class__",
        "|",
        "name",
        "[",
        "]",
        "is",
        " yes ",
        " given ",
        "==",
        "~",
        "*",
        "0",
        " else ",
        " set ",
        "=",
        "{#",
        "#}",
        " not ",
        ",",
    ]
)


@settings(max_examples=300)
@given(st.lists(TOKENS, max_size=25))
def test_any_template_is_refused_or_gives_a_bounded_text(tokens):
    try:
        template = CampaignTemplate("".join(tokens), None, own_language="en")
        text = template.render({"x": "yes"}, "en", max_characters=300)
    except (CampaignError, RowError):
        return
    assert len(text) <= 300
    assert "<" not in text  # the representation of a Python object


@pytest.mark.parametrize(
    ("language", "call", "text"),
    [
        ("en", ("number", "1,234.50"), "one thousand, two hundred and thirty-four point five"),
        ("en", ("ordinal", "21"), "twenty-first"),
        ("en", ("money", "1", "USD"), "one US dollar"),
        ("en", ("money", "-0.01", "GBP"), "minus one penny"),
        ("en", ("money", "1200", "JPY"), "one thousand, two hundred Japanese yen"),
        ("en", ("date", "2026-03-05", "full"), "Thursday, March 5, 2026"),
        ("en", ("date", "2026-03-05T09:30", "day"), "March 5"),
        ("en", ("time", "15:30"), "3:30 PM"),
        ("en", ("time", "12:00 am"), "12 AM"),
        ("en", ("digits", "+44 20-7A"), "plus four four, two zero, seven A"),
        ("en", ("name", "MARY-ANN O'BRIEN"), "Mary-Ann O'Brien"),
        ("zh", ("money", "25.50", "CNY"), "25.5元"),
        ("zh", ("time", "15:30"), "下午3点30分"),
        ("zh", ("date", "2026-03-05"), "2026年3月5日"),
        ("yue", ("money", "5", "HKD"), "5蚊"),
        ("yue", ("date", "2026-03-05", "weekday"), "星期四"),
        ("ja", ("time", "09:00"), "午前9時"),
        ("ja", ("ordinal", "3"), "3番目"),
        ("ko", ("money", "1200", "KRW"), "1200원"),
        ("ko", ("date", "2026-03-05", "day"), "3월 5일"),
    ],
)
def test_values_are_said_as_people_say_them_and_the_front_end_reads_them(language, call, text):
    name, *arguments = call
    assert SpokenForms(language).filters()[name](*arguments) == text
    assert phonemize(text, language).symbols


@pytest.mark.parametrize(
    ("language", "call", "message"),
    [
        ("en", ("money", "1.00", "dollars"), "ISO 4217"),
        ("en", ("money", "1.005", "USD"), "more decimals"),
        ("en", ("money", "1.50", "CNY"), "not supported in English"),
        ("ko", ("ordinal", "3"), "not supported in Korean"),
        ("en", ("ordinal", "0"), "whole number"),
        ("en", ("number", "1e999999999"), "not a number"),
        ("en", ("number", "9" * 5000), "not a number"),
        ("en", ("number", "١٢"), "not a number"),
        ("en", ("date", "2026-02-30"), "not a day"),
        ("en", ("date", "2026-03-05", "%s"), "no style"),
        ("en", ("time", "25:00"), "not a time"),
        ("en", ("time", "13:00 PM"), "not a time"),
        ("en", ("digits", "12€"), "a code has"),
        ("en", ("digits", "--"), "not a code"),
    ],
)
def test_what_cannot_be_said_is_refused_with_what_would_be_right(language, call, message):
    name, *arguments = call
    with pytest.raises(SpokenFormError, match=message):
        SpokenForms(language).filters()[name](*arguments)


@given(
    st.sampled_from(["en", "zh", "yue", "ja", "ko"]),
    st.sampled_from(["number", "date", "time", "digits", "ordinal", "name"]),
    st.text(max_size=30) | st.from_regex(r"-?\d{1,6}(\.\d\d)?", fullmatch=True),
)
def test_any_cell_is_said_or_refused(language, name, cell):
    try:
        assert isinstance(SpokenForms(language).filters()[name](cell), str)
    except SpokenFormError as error:
        assert len(str(error)) < 300
