"""The repository reads as it promises: `python -m tests.style PATH` lists the lines that break a rule."""

from __future__ import annotations

import subprocess
import sys

import pytest
from style import LIMITS, ROOT, Report, measure, measure_file


@pytest.fixture(scope="module")
def total() -> Report:
    report = Report()
    for part in measure().values():
        report.add(part)
    return report


def test_no_line_breaks_a_rule(total):
    assert not [str(offence) for offence in sorted(total.offences)]


def test_summaries_begin_with_a_verb(total):
    assert total.imperative >= LIMITS.min_imperative


def test_docstrings_avoid_semicolons(total):
    assert total.semicolons <= LIMITS.max_semicolons


def test_public_names_have_docstrings(total):
    assert total.documented >= LIMITS.min_documented


def rules(text: str, path: str = "flows/x.py") -> list[str]:
    return [offence.rule for offence in measure_file(path, text).offences]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("# this is no rule\n", 'says "is no"'),
        ("x = f'{1} are no files'\n", 'says "are no"'),
        ("# what is\n# no longer line\n# is\n# no file\n", 'says "is # no"'),
        ("# it shall stop\n", 'says "shall"'),
        ('def f():\n    """Read x; write y."""\n', "the summary of f has a semicolon"),
        ("def f():\n" + "    x = 1\n" * 60, "f has 61 lines, at most 60"),
        ("x = 1\n" * 401, "401 lines, at most 400"),
    ],
)
def test_a_broken_rule_is_found(text, rule):
    assert rules(text) == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "# there is no file\n",
        "# There are no files\n",
        "# it is no longer there\n",
        "x = 1\n" * 400,
        "y = 'marshall'\n",
    ],
)
def test_an_idiomatic_line_breaks_no_rule(text):
    assert rules(text) == []


def test_figures_of_one_file():
    report = measure_file(
        "flows/x.py",
        '"""Do things; a map."""\n\n'
        'def f(a: int, b, *, c: str) -> None:\n    """Return `a`."""\n\n'
        "class C:\n"
        '    def _g(self):\n        """The hidden one."""\n\n'
        '    @property\n    def h(self):\n        """The property."""\n',
    )
    assert (report.n_typed, report.n_parameters) == (2, 3)
    assert (report.n_documented, report.n_public) == (3, 4)  # the class has none
    assert (report.n_imperative, report.n_summaries) == (1, 2)
    assert (report.n_semicolons, report.n_docstrings) == (1, 4)


def test_the_command_prints_the_table_and_the_offenders_below_a_path():
    done = subprocess.run(
        [sys.executable, "-m", "tests.style", "--strict", "tests/style.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("package")
    assert "all" in done.stdout
