"""The `vox` command line: parse, call, print. Everything heavy is imported where it is used."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import click

from flows.api_key_commands import api_keys
from flows.campaign_commands import campaign
from flows.guard import run_guarded
from flows.key_commands import approve, keys
from flows.profile_commands import profile
from flows.project_group import ProjectGroup
from flows.proof_commands import rebuild, verify
from flows.provenance_commands import provenance
from flows.say_command import say
from flows.serve_command import serve
from flows.voice_group import purpose_option, voice
from registry.names import check_voice_name

# New objects between two garbage collections. With Python's 700, importing torch and mlflow sets off hundreds of
# collections that find nothing, half a second of CPU time.
GC_THRESHOLD = 100_000
MAX_VERSION = 2**31 - 1  # MLflow keeps a version's number in 32 bits
FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)
PRESENT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)
FOLDER = click.Path(path_type=Path, file_okay=False, resolve_path=True)

version_number = click.IntRange(1, MAX_VERSION)
voice_argument = click.argument("voice", callback=lambda _, __, name: check_voice_name(name))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
first_release_option = click.option(
    "--first-release", is_flag=True, help="Accept that there is no champion to compare the candidate with."
)
prefect_option = click.option(
    "--prefect", "with_prefect", is_flag=True, help="Run as a flow of the Prefect server, with artifacts."
)


@click.group(cls=ProjectGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="voxfoundry", prog_name="vox")
def vox(*, debug: bool) -> None:
    """Turn recordings of a speaker into a tested and released voice."""


vox.add_command(keys)
vox.add_command(api_keys)
vox.add_command(approve)
vox.add_command(verify)
vox.add_command(rebuild)
vox.add_command(profile)
vox.add_command(say)
vox.add_command(serve)
vox.add_command(campaign)
vox.add_command(provenance)


@vox.command()
@voice_argument
@click.option("--promote", is_flag=True, help="Make the candidate the champion if the gate passes it.")
@first_release_option
@click.option("--no-prefect", is_flag=True, help="Run the same stages in the same order without a Prefect server.")
@click.option("--profile", help="Set `profile` in params.yaml: base models and judges.")
@click.option(
    "-S", "settings", multiple=True, metavar="KEY=VALUE", help="Set a key of params.yaml, as dvc exp run does."
)
@json_option
def run(
    voice: str,
    *,
    promote: bool,
    first_release: bool,
    no_prefect: bool,
    profile: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Bring VOICE up to date and gate its candidate.

    Only the stages that are stale run.

    Exit code: 0 pass, 1 fail, 3 inconclusive, 2 could not be measured.
    """
    from flows.commands.run import run_voice
    from flows.train_and_release import Request

    settings += (f"profile={profile}",) if profile else ()
    request = Request(voice=voice, promote=promote, first_release=first_release)
    return run_voice(request, with_prefect=not no_prefect, settings=settings, as_json=as_json)


@vox.command()
@voice_argument
@click.option(
    "--candidate", type=version_number, metavar="N", help="Version to gate.  [default: the one that this checkout made]"
)
@first_release_option
@click.option("--json", "json_file", type=FILE, help="Write the signed verdict here.")
@click.option("--markdown", "markdown_file", type=FILE, help="Write a summary for CI here.")
@click.option("--junit", "junit_file", type=FILE, help="Write JUnit XML here.")
@click.option("--html", "html_file", type=FILE, help="Write the report here, one page to read and listen to.")
@prefect_option
def gate(
    voice: str,
    *,
    candidate: int | None,
    first_release: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    with_prefect: bool,
) -> int:
    """Decide whether a candidate may replace the champion of VOICE.

    Nothing is synthesised or moved.

    Exit code: 0 pass, 1 fail, 3 inconclusive, 2 could not be measured.
    """
    from flows.commands.gate import VerdictFiles, gate_voice

    files = VerdictFiles(json=json_file, markdown=markdown_file, junit=junit_file, html=html_file)
    return gate_voice(voice, candidate, first_release=first_release, files=files, with_prefect=with_prefect)


@vox.command()
@voice_argument
@click.option("--candidate", type=version_number, metavar="N", help="Version to hear.  [default: the newest]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on this machine.  [default: any free one]")
@click.option("--listener", metavar="NAME", help="Who listens.  [default: the page asks]")
def listen(voice: str, *, candidate: int | None, port: int, listener: str | None) -> int:
    """Compare a candidate of VOICE with the champion by ear.

    A page on this machine plays both blind. The votes are kept in the registry, where the gate counts them.
    """
    from flows.commands.listen import serve_page

    return serve_page(voice, candidate, port=port, listener=listener)


@vox.command()
@voice_argument
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on this machine.  [default: any free one]")
@click.option("--reviewer", metavar="NAME", help="Who decides.  [default: VOXFOUNDRY_ACTOR, else your user name]")
def review(voice: str, *, port: int, reviewer: str | None) -> int:
    """Hear the clips of VOICE and correct them.

    A page on this machine shows the worst clips first, each with its words in time. Fix a text, drop or restore a clip,
    split it or merge it with the next one, all with keys. Every decision is a row of
    data/1_recordings/VOICE/corrections.jsonl, which the stages obey from the next run on.

    It needs a voice whose clips have their texts: after `vox run VOICE`, or `dvc repro align@VOICE` alone.
    """
    from flows.commands.review import review_voice

    return review_voice(voice, port=port, reviewer=reviewer)


@vox.command()
@voice_argument
@click.option("--version", type=version_number, metavar="N", help="Version to promote.  [default: the newest]")
@first_release_option
def promote(voice: str, *, version: int | None, first_release: bool) -> int:
    """Make a version of VOICE that the gate passed the champion.

    Exit code: 0 it is champion now or was already, 1 refused.
    """
    from flows.commands.releases import promote_voice

    return promote_voice(voice, version, first_release=first_release)


@vox.command()
@voice_argument
@click.option("--to", "to_version", type=version_number, metavar="N", help="A version that was champion before.")
def rollback(voice: str, *, to_version: int | None) -> int:
    """Go back to the former champion of VOICE.

    Exit code: 0 it is champion now or was already, 1 refused.
    """
    from flows.commands.releases import rollback_voice

    return rollback_voice(voice, to_version)


@vox.command()
@voice_argument
@click.option("--version", type=version_number, metavar="N", help="Version to score.  [default: the champion]")
@prefect_option
@click.option("--every", "cron", metavar="CRON", help='Keep running and score at these times, such as "0 6 * * 1".')
@json_option
def rescore(voice: str, *, version: int | None, with_prefect: bool, cron: str | None, as_json: bool) -> int:
    """Score the champion of VOICE again and look for drift.

    Judges and environment may have changed since it was registered. The new scores are kept for the trend, and for
    the gate once a judge has changed.

    Exit code: 0 no drift, 1 drift, 2 could not be measured.
    """
    from flows.commands.rescore import rescore_voice

    return rescore_voice(voice, version, with_prefect=with_prefect, cron=cron, as_json=as_json)


@vox.command()
@voice_argument
@json_option
def releases(voice: str, *, as_json: bool) -> int:
    """List what was released of VOICE, when and by whom."""
    from flows.commands.releases import show_releases

    return show_releases(voice, as_json=as_json)


@vox.command()
@voice_argument
@click.option("--expect", metavar="NUMBER:HASH", help="A row that the journal must have, as noted elsewhere.")
@json_option
def audit(voice: str, *, expect: str | None, as_json: bool) -> int:
    """Prove that the journal of releases is whole.

    Exit code: 0 whole, 1 broken.
    """
    from flows.commands.releases import audit_voice

    return audit_voice(voice, as_json=as_json, expect=expect)


@vox.command("import")
@click.argument("gpt", type=PRESENT_FILE)
@click.argument("sovits", type=PRESENT_FILE)
@click.option("--as", "name", required=True, metavar="NAME", help="Folder in base_models/ to write.")
@click.option("--discriminator", type=PRESENT_FILE, help="The s2D file of the same version, which an adaptation needs.")
@click.option("--replace", is_flag=True, help="Replace a base model of this name.")
def import_(gpt: Path, sovits: Path, *, name: str, discriminator: Path | None, replace: bool) -> int:
    """Import official or community weights as a base model.

    GPT (.ckpt) and SoVITS (.pth) of v2, v2Pro or v2ProPlus go into base_models/NAME. Nothing in the files is run, and
    they are not changed.

    Exit code: 0 imported, 1 refused, with the reason.
    """
    from flows.commands.weights import import_files

    return import_files(gpt, sovits, name=name, discriminator=discriminator, replace=replace)


@vox.command()
@voice_argument
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--version", type=version_number, metavar="N", help="Version to export.  [default: the champion]")
@click.option("--float32", "in_full", is_flag=True, help="Do not round to float16, as the original does.")
@click.option("--inference-only", is_flag=True, help="Leave out enc_q, which only an adaptation needs.")
@click.option("--other-sizes", is_flag=True, help="Also write sizes that the original GPT-SoVITS cannot load.")
@purpose_option
def export(
    voice: str,
    folder: Path,
    *,
    version: int | None,
    in_full: bool,
    inference_only: bool,
    other_sizes: bool,
    purpose: str | None,
) -> int:
    """Write the champion of VOICE for the original GPT-SoVITS.

    It and its tools load the files VOICE-vN.ckpt and VOICE-vN.pth in DIR.

    Exit code: 0 written, 1 refused, with the reason.
    """
    from flows.commands.weights import export_voice

    return export_voice(
        voice,
        folder,
        version=version,
        dtype="float32" if in_full else "float16",
        with_posterior=not inference_only,
        other_sizes=other_sizes,
        purpose=purpose,
    )


@vox.command()
@click.argument("name", required=False)
@click.option(
    "--mirror", metavar="URL", help="Stands in for scheme and host of the addresses.  [default: VOXFOUNDRY_MIRROR]"
)
@click.option("--replace", is_flag=True, help="Replace a folder of this name that differs from base_models.lock.")
def pull(name: str | None, *, mirror: str | None, replace: bool) -> int:
    """Fetch a base model, or list what there is.

    The base model NAME and what it needs go into base_models/. Without NAME, nothing is fetched. An interrupted
    download continues where it ended. Files are pinned in base_models.lock at their first download.

    Exit code: 0 present now, 1 refused or out of reach, with what to put where.
    """
    from flows.commands.weights import pull_model

    return pull_model(name, mirror=mirror, replace=replace)


vox.add_command(voice)


@vox.group()
def data() -> None:
    """Look at the recordings of a voice."""


@data.command("card")
@voice_argument
@json_option
def data_card(voice: str, *, as_json: bool) -> int:
    """Say what the recordings of VOICE are worth, and what to record next.

    The card is made of what ingest, segment and align have written, even if one of them stopped. It is a page with
    the clips to listen to, in data/3_data_cards/VOICE.
    """
    from flows.commands.data import show_card

    return show_card(voice, as_json=as_json)


@vox.command()
@json_option
def doctor(*, as_json: bool) -> int:
    """Show what is installed and what is missing.

    That is packages, voices, judges, base models, GPU, disk and servers.

    Exit code: 0 nothing needed is missing, else 1.
    """
    from flows.commands.doctor import print_report

    return print_report(as_json=as_json)


@vox.group()
def server() -> None:
    """Manage the background Prefect server of this project."""


@server.command("status")
def server_status() -> int:
    """Show where the server answers.

    Exit code: 0 running, 1 not.
    """
    from flows.commands.server import show_status

    return show_status()


@server.command("stop")
def server_stop() -> int:
    """Stop the server. The next run starts another."""
    from flows.commands.server import stop

    return stop()


def main() -> None:
    """Run `vox` with the arguments of this process and end with its exit code."""
    gc.set_threshold(GC_THRESHOLD)
    sys.exit(run_guarded(lambda: vox.main(standalone_mode=False), debug="--debug" in sys.argv))


if __name__ == "__main__":
    main()
