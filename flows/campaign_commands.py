"""The commands `vox campaign ...`: parse, call, print."""

from __future__ import annotations

from pathlib import Path

import click

from flows.project_group import ProjectGroup

FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)
PRESENT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)
FOLDER = click.Path(path_type=Path, file_okay=False, resolve_path=True)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
file_argument = click.argument("file", type=PRESENT_FILE)
name_argument = click.argument("name")


@click.group(cls=ProjectGroup)
def campaign() -> None:
    """Speak one message to many recipients."""


@campaign.command("check")
@file_argument
@json_option
@click.option("--report", "report_file", type=FILE, help="Write the report here too, as JSON.")
@click.option("--rejects", "rejects_file", type=FILE, help="Write every refused row here, as CSV.")
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), help="Seconds of speech made per second.")
def campaign_check(
    file: Path, *, as_json: bool, report_file: Path | None, rejects_file: Path | None, speed: float | None
) -> int:
    """Say what would become of every row of the campaign in FILE. Nothing is spoken.

    Exit code: 0 every row can be spoken, 1 rows are refused, 2 the campaign may not be spoken.
    """
    from flows.commands.campaign_check import check_campaign

    return check_campaign(file, as_json=as_json, report_file=report_file, rejects_file=rejects_file, speed=speed)


@campaign.command("pronounce")
@file_argument
@json_option
@click.option("--names", type=click.IntRange(1, 500), default=50, show_default=True, help="Most names that are heard.")
@click.option("--readings", type=click.IntRange(1, 20), default=3, show_default=True, help="How often each is said.")
def campaign_pronounce(file: Path, *, as_json: bool, names: int, readings: int) -> int:
    """Say the names of the campaign in FILE and let a judge hear them.

    Exit code: 0 no name is misread, 1 names are misread, 2 the names could not be heard.
    """
    from flows.commands.campaign_pronounce import pronounce_campaign

    return pronounce_campaign(file, as_json=as_json, most=names, n_readings=readings)


@campaign.command("run")
@file_argument
@click.option("--accept-rejects", is_flag=True, help="Speak the other rows where the check refuses some.")
@click.option("--hear-names", is_flag=True, help="Hear names first, and speak nothing where one is misread.")
@click.option(
    "-o", "--output", type=FOLDER, help="Folder of files, table and report.  [default: data/8_campaigns/NAME]"
)
@click.option("--no-judges", is_flag=True, help="Judge no asset, whatever `quality.share` says.")
@click.option("--prefect", "with_prefect", is_flag=True, help="Run as a flow of the Prefect server, with the report.")
def campaign_run(
    file: Path, *, accept_rejects: bool, hear_names: bool, output: Path | None, no_judges: bool, with_prefect: bool
) -> int:
    """Speak the campaign in FILE to its end.

    It is checked first. Whatever ends the command, the same command goes on where it was: no recipient is spoken
    twice, and of a changed file only the changed rows are spoken.

    Exit code: 0 every row is delivered, 1 some are not, 2 the campaign was stopped or may not be spoken.
    """
    from flows.commands.campaigns import run_campaign

    return run_campaign(
        file,
        accept_rejects=accept_rejects,
        hear_names=hear_names,
        output=output,
        no_judges=no_judges,
        with_prefect=with_prefect,
    )


@campaign.command("status")
@click.argument("name", required=False)
@json_option
def campaign_status(name: str | None, *, as_json: bool) -> int:
    """Show how far the campaign NAME is, or list all.

    Exit code: 0.
    """
    from flows.commands.campaigns import show_status

    return show_status(name, as_json=as_json)


@campaign.command("pause")
@name_argument
def campaign_pause(name: str) -> int:
    """Stop the campaign NAME after the rows that are being spoken."""
    from flows.commands.campaigns import pause_campaign

    return pause_campaign(name)


@campaign.command("resume")
@name_argument
def campaign_resume(name: str) -> int:
    """Go on with the paused campaign NAME, in `vox serve` or in `vox campaign run` of its file."""
    from flows.commands.campaigns import resume_campaign

    return resume_campaign(name)


@campaign.command("cancel")
@name_argument
@click.option("--delete", is_flag=True, help="Delete what was delivered, too.")
def campaign_cancel(name: str, *, delete: bool) -> int:
    """End the campaign NAME. What was delivered stays."""
    from flows.commands.campaigns import cancel_campaign

    return cancel_campaign(name, delete=delete)


@campaign.command("retry")
@name_argument
def campaign_retry(name: str) -> int:
    """Queue the rows of NAME again that failed, were cancelled or need a review."""
    from flows.commands.campaigns import retry_campaign

    return retry_campaign(name)


@campaign.command("report")
@name_argument
@click.option("-o", "--output", type=FOLDER, help="Folder to write.  [default: data/8_campaigns/NAME]")
@json_option
def campaign_report(name: str, *, output: Path | None, as_json: bool) -> int:
    """Write the files, the table and the report of the campaign NAME as it is now."""
    from flows.commands.campaigns import write_report

    return write_report(name, output=output, as_json=as_json)
