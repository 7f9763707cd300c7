"""`vox campaign check`: what would become of every row, before a word is spoken."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from campaigns.check.files import write_rejects, write_report
from campaigns.check.report import CheckReport, refused_report
from campaigns.check.rows import Check
from campaigns.check.speaker import SpeakerRefusedError, find_speaker
from campaigns.files import load_campaign
from campaigns.recipients.reading import read_recipients
from campaigns.records import REASONS, Reject
from flows.console import print_line, print_table
from flows.frozen_version import with_frozen_version
from registry.storage.store import open_store

EXIT_PASSED, EXIT_REJECTS, EXIT_REFUSED = 0, 1, 2


def check_campaign(
    file: Path,
    *,
    as_json: bool = False,
    report_file: Path | None = None,
    rejects_file: Path | None = None,
    speed: float | None = None,
) -> int:
    """Check a campaign and print what was found.

    Args:
        file: The campaign.
        as_json: Print the report as JSON and nothing else.
        report_file: Where the report is written too, as JSON.
        rejects_file: Where every rejected row is written, as CSV.
        speed: Seconds of speech that are made per second, for the expected time. None: the time is not shown.

    Returns:
        0 if every row can be spoken, 1 if rows were rejected, 2 if the campaign as a whole may not be spoken.

    Raises:
        CampaignError: The campaign cannot be read.
        DatabaseUnreachableError: Whether it was started with another version cannot be seen.
    """
    campaign, store = load_campaign(file), open_store()
    settings = with_frozen_version(store, campaign.settings)
    try:
        speaker = find_speaker(store, settings, datetime.now(UTC).date())
    except SpeakerRefusedError as error:
        report = refused_report(settings, error.reason, str(error))
    else:
        check = Check(settings, speaker)
        with nullcontext() if rejects_file is None else write_rejects(rejects_file) as write:
            for row in check.rows(read_recipients(campaign.recipients, check.language)):
                if write is not None and isinstance(row, Reject):
                    write(row)
        report = check.report()
    if report_file is not None:
        write_report(report, report_file)
    if as_json:
        print_line(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        print_report(report, speed=speed)
    return EXIT_REFUSED if report.fault else EXIT_PASSED if report.has_passed else EXIT_REJECTS


def print_report(report: CheckReport, *, speed: float | None = None) -> None:
    """Print a report as a table of reasons with the first rows of each.

    Args:
        report: What was found.
        speed: Seconds of speech that are made per second. None: the expected time is not shown.
    """
    if report.fault is not None:
        print_line(f"{report.name} may not be spoken: {report.fault[1]}")
    if not report.n_rows:
        print_line(f"{report.name} has no recipients" if report.fault is None else "No row was read.")
        return
    print_line(f"{report.name}: {report.n_accepted} of {report.n_rows} rows can be spoken by {report.voice} "
               f"version {report.version}")  # fmt: skip
    if report.n_rejected:
        rows = [
            (str(reason), str(count), ", ".join(str(row.line) for row in report.examples[reason]), REASONS[reason])
            for reason, count in report.n_rejected.items()
        ]
        print_table(rows, header=("reason", "rows", "first lines", "what it means"))
        for reason in report.n_rejected:
            first = report.examples[reason][0]
            print_line(f"line {first.line}, {first.recipient_id or 'without a valid id'}: {first.message}")
    if report.n_accepted:
        print_line(
            f"Sound: {_duration(report.seconds_of_audio)} in {report.n_accepted} files, the longest "
            f"{report.longest_seconds:.1f} s. To speak: {_duration(report.seconds_to_speak)} in "
            f"{report.n_distinct_sentences} of {report.n_sentences} sentences."
        )
        if speed is not None:
            print_line(f"Expected time: {_duration(3600 * report.hours_to_speak(speed))} at {speed:g} times real time.")
    if report.unused_columns:
        print_line(f"The template does not use: {', '.join(report.unused_columns)}")


def _duration(seconds: float) -> str:
    """Return seconds as people read them, such as 2 h 05 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
