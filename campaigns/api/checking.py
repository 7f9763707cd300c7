"""Every row of a request, before a word is spoken. It takes about a second per 1000 rows, so it belongs in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from campaigns.api.bodies import Cell
from campaigns.check.report import CheckReport, refused_report
from campaigns.check.rows import Check
from campaigns.check.speaker import SpeakerRefusedError, find_speaker
from campaigns.errors import CampaignError
from campaigns.recipients.reading import recipients_of
from campaigns.records import CampaignSettings, Reject, RenderedRow
from registry.storage.store import Store
from serving.errors import ConsentError

MAX_CHARACTERS = 10_000_000  # of all texts of a request, which can be much longer than the request


class RowsRefusedError(CampaignError):
    """The check refused rows, and the request did not accept that."""

    status, type = 422, "rows_refused"
    action = "Correct the rows, or send accept_rejects: true. dry_run: true lists every reason."


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the check found.

    Attributes:
        rows: Those that can be spoken.
        report: What was found.
        rejects: Number of refused rows by reason.
    """

    rows: tuple[RenderedRow, ...]
    report: CheckReport
    rejects: Mapping[str, int]


def check_request(store: Store, settings: CampaignSettings, recipients: Sequence[Mapping[str, Cell]]) -> Checked:
    """Check the rows of a request.

    Args:
        store: Where releases are.
        settings: Of the campaign, without names of files.
        recipients: Its rows.

    Raises:
        CampaignError: The settings name files, or the request as a whole cannot be used.
    """
    if settings.file_names:
        raise CampaignError(
            f"a request may not name files, and it has {', '.join(settings.file_names)}; send their contents",
            param=settings.file_names[0],
        )
    try:
        speaker = find_speaker(store, settings, datetime.now(UTC).date())
    except SpeakerRefusedError as error:
        return Checked(rows=(), report=refused_report(settings, error.reason, str(error)), rejects={})
    check = Check(settings, speaker)
    rows, n_characters = [], 0
    for row in check.rows(recipients_of(recipients)):
        if isinstance(row, Reject):
            continue
        rows.append(row)
        n_characters += len(row.text)
        if n_characters > MAX_CHARACTERS:
            raise CampaignError(
                f"the texts of the request have more than {MAX_CHARACTERS} characters; divide it into several "
                "campaigns, or let the operator use `vox campaign run`",
                param="recipients",
            )
    report = check.report()
    return Checked(rows=tuple(rows), report=report, rejects={str(reason): n for reason, n in report.n_rejected.items()})


def require_speakable(checked: Checked, *, accept_rejects: bool) -> None:
    """Refuse what may not be spoken as it was sent.

    Args:
        checked: What the check found.
        accept_rejects: Whether the other rows are spoken where some are refused.

    Raises:
        ConsentError: The voice may not speak it.
        RowsRefusedError: Rows are refused.
    """
    report = checked.report
    if report.fault is not None:
        raise ConsentError(report.fault[1], param="campaign")
    if not checked.rows or (checked.rejects and not accept_rejects):
        reasons = ", ".join(f"{reason} ({n_rows})" for reason, n_rows in checked.rejects.items())
        raise RowsRefusedError(
            f"{sum(checked.rejects.values())} of {report.n_rows} rows cannot be spoken: {reasons}", param="recipients"
        )
