"""Templates in each language, and what a recipient is told.

A template runs in Jinja's immutable sandbox, although `grammar` leaves nothing in it that the sandbox has to stop.
Variables are inserted as text: what looks like a template in a cell is spoken as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from jinja2 import StrictUndefined, Template, Undefined, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from campaigns.errors import CampaignError
from campaigns.records import RejectReason
from campaigns.template.grammar import check_template
from campaigns.template.spoken import SpokenForms
from campaigns.template.values import SpokenFormError, read_yes
from gpt_sovits.synthesis.pieces import add_full_stop
from gpt_sovits.text.languages import language_name

LANGUAGE_VARIABLE = "language"  # the code of the row's language, for conditions
UNDEFINED_NAME = re.compile(r"'([A-Za-z0-9_]+)' is undefined")


class RowError(CampaignError, ValueError):
    """A row cannot be spoken.

    Attributes:
        reason: The code.
    """

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class CampaignTemplate:
    """A template that was checked, with the filters of each language.

    Attributes:
        variables: Names of its variables.
        name_variables: Those that are said as they stand, or by the filter name.
    """

    def __init__(self, source: str, disclosure: str | Mapping[str, str] | None, *, own_language: str) -> None:
        """Check and compile a template.

        Args:
            source: In Jinja's syntax.
            disclosure: The sentence before every text: in `own_language`, or one per language. None for none.
            own_language: ISO 639 code of rows that name no language.

        Raises:
            CampaignError: The template is not allowed.
        """
        self._source, self._compiled = source, dict[str, Template]()
        self._disclosures = {own_language: disclosure} if isinstance(disclosure, str) else disclosure
        variables = check_template(source, _environment(own_language))
        self.variables, self.name_variables = (
            names - {LANGUAGE_VARIABLE} for names in (variables.used, variables.names)
        )

    def render(self, variables: Mapping[str, str | None], language: str, *, max_characters: int) -> str:
        """Return what a recipient is told: the disclosure and the text, in one line.

        Args:
            variables: Of the recipient, None for an empty cell.
            language: ISO 639 code of the row.
            max_characters: Longest text.

        Raises:
            RowError: It cannot be rendered. Its reason says why.
        """
        given = {name: value for name, value in variables.items() if value is not None}
        pieces, room = [], max_characters + len(self._source)
        try:
            for piece in self._template(language).generate(given | {LANGUAGE_VARIABLE: language}):
                pieces.append(piece)
                if (room := room - len(piece)) < 0:
                    break
        except UndefinedError as error:
            raise _missing(error, variables) from None
        except SpokenFormError as error:
            raise RowError(RejectReason.UNREADABLE_VALUE, str(error)) from None
        text = " ".join([self._disclosure(language), *"".join(pieces).split()]).strip()
        if room < 0 or len(text) > max_characters:
            raise RowError(RejectReason.TEXT_TOO_LONG, f"the text has more than {max_characters} characters")
        return text

    def _disclosure(self, language: str) -> str:
        if self._disclosures is None:
            return ""
        if language not in self._disclosures:
            raise RowError(
                RejectReason.WRONG_LANGUAGE, f"the disclosure is not written in {language_name(language)}; add it there"
            )
        return " ".join(add_full_stop(self._disclosures[language]).split())

    def _template(self, language: str) -> Template:
        if language not in self._compiled:
            try:
                self._compiled[language] = _environment(language).from_string(self._source)
            except (SyntaxError, RecursionError, MemoryError) as error:
                raise CampaignError("the template is nested too deeply; write it with fewer conditions") from error
        return self._compiled[language]


def _environment(language: str) -> ImmutableSandboxedEnvironment:
    """Return an environment with our filters and tests, and nothing of Jinja's."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, cache_size=0
    )
    environment.globals.clear()
    environment.filters = dict(SpokenForms(language).filters())
    environment.tests = {
        "given": lambda value: not isinstance(value, Undefined),
        "yes": lambda value: read_yes(str(value)),
    }
    return environment


def _missing(error: UndefinedError, variables: Mapping[str, str | None]) -> RowError:
    """Return the fault of a row without a variable: its cell is empty, or there is no such column."""
    found = UNDEFINED_NAME.search(error.message or "")
    name = found[1] if found else "of the template"
    if name in variables:
        return RowError(RejectReason.MISSING_VARIABLE, f"the column {name} is empty")
    return RowError(RejectReason.UNKNOWN_VARIABLE, f"there is no column {name}")
