"""The `vox` command line: parse, call, print. Everything heavy is imported where it is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

NOT_MEASURED = 2  # exit code: the question could not be answered
FILE = click.Path(path_type=Path, dir_okay=False, resolve_path=True)
PRESENT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)
voice_argument = click.argument("voice")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")


class ProjectCommand(click.Command):
    """Works in the folder with params.yaml and dvc.yaml, wherever inside it the command was given.

    The paths on the command line are made absolute before that, so they stay relative to where the person is.
    """

    def invoke(self, ctx: click.Context) -> object:
        start = Path.cwd()
        for folder in (start, *start.parents):
            if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
                os.chdir(folder)
                return super().invoke(ctx)
        raise ValueError(f"{start} is not inside a Voxfoundry project (no params.yaml and dvc.yaml); change to one")


class ProjectGroup(click.Group):
    command_class = ProjectCommand
    group_class = type  # groups inside are of this class too


@click.group(cls=ProjectGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="voxfoundry", prog_name="vox")
def vox(debug: bool) -> None:
    """Recordings of a speaker in, a tested and released voice out."""


@vox.command()
@voice_argument
@click.option("--promote", is_flag=True, help="Make the candidate the champion if the gate passes it.")
@click.option("--first-release", is_flag=True, help="Accept a candidate that has no champion to be compared with.")
@click.option("--no-prefect", is_flag=True, help="Run the same stages in the same order without a Prefect server.")
@click.option("--profile", help="Set `profile` in params.yaml: base models and judges.")
@click.option(
    "-S", "settings", multiple=True, metavar="KEY=VALUE", help="Set a key of params.yaml, as dvc exp run does."
)
@json_option
def run(
    voice: str,
    promote: bool,
    first_release: bool,
    no_prefect: bool,
    profile: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Bring every stage of VOICE up to date, judge the candidate and say the verdict.

    Exit code: 0 pass, 1 fail, 3 inconclusive, 2 could not be measured.
    """
    from flows.commands import run_voice

    settings += (f"profile={profile}",) if profile else ()
    return run_voice(voice, promote, first_release, not no_prefect, settings, as_json)


@vox.command()
@voice_argument
@click.option("--candidate", type=int, metavar="N", help="Version to judge; the newest without it.")
@click.option("--first-release", is_flag=True, help="Accept a candidate that has no champion to be compared with.")
@click.option("--json", "json_file", type=FILE, help="Write the signed verdict here.")
@click.option("--markdown", "markdown_file", type=FILE, help="Write a summary for CI here.")
@click.option("--junit", "junit_file", type=FILE, help="Write JUnit XML here.")
@click.option("--html", "html_file", type=FILE, help="Write the report to read and listen to here, one page.")
@click.option("--prefect", "with_prefect", is_flag=True, help="As a flow run of the Prefect server, with artifacts.")
def gate(
    voice: str,
    candidate: int | None,
    first_release: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    with_prefect: bool,
) -> int:
    """The verdict alone: may this candidate replace the champion of VOICE? Nothing is synthesised or moved.

    Exit code: 0 pass, 1 fail, 3 inconclusive, 2 could not be measured.
    """
    from flows.commands import gate_voice

    return gate_voice(voice, candidate, first_release, json_file, markdown_file, junit_file, html_file, with_prefect)


@vox.command()
@voice_argument
@click.option("--candidate", type=int, metavar="N", help="Version to hear; the newest without it.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on this machine; a free one without it.")
@click.option("--listener", metavar="NAME", help="Who listens; the page asks without it.")
def listen(voice: str, candidate: int | None, port: int, listener: str | None) -> int:
    """Hear a candidate of VOICE against the champion, blind, on a page of this machine; the votes go to the gate."""
    from flows.listen import listen as listen_on_page

    return listen_on_page(voice, candidate, port, listener)


@vox.command()
@voice_argument
@click.option("--version", type=int, metavar="N", help="Version to promote; the newest without it.")
@click.option("--first-release", is_flag=True, help="This voice has no champion yet.")
def promote(voice: str, version: int | None, first_release: bool) -> int:
    """Make a version that the gate passed the champion. Exit code: 0 moved or already there, 1 refused."""
    from flows.commands import promote_voice

    return promote_voice(voice, version, first_release)


@vox.command()
@voice_argument
@click.option("--to", "to_version", type=int, metavar="N", help="A version that was champion before.")
def rollback(voice: str, to_version: int | None) -> int:
    """Go back to the champion before this one. Exit code: 0 moved or already there, 1 refused."""
    from flows.commands import rollback_voice

    return rollback_voice(voice, to_version)


@vox.command()
@voice_argument
@click.option("--version", type=int, metavar="N", help="Score this version; the champion without it.")
@click.option("--prefect", "with_prefect", is_flag=True, help="As a flow run of the Prefect server, with artifacts.")
@click.option("--every", "cron", metavar="CRON", help='Stay, and do it whenever cron says, such as "0 6 * * 1".')
@json_option
def rescore(voice: str, version: int | None, with_prefect: bool, cron: str | None, as_json: bool) -> int:
    """Score the champion of VOICE again and say whether judge or environment have drifted since it was registered.

    Its new scores are kept, for the trend, and for the gate once a judge has changed.
    Exit code: 0 as it was, 1 it drifted, 2 could not be measured.
    """
    from flows.commands import rescore_voice

    return rescore_voice(voice, version, with_prefect, cron, as_json)


@vox.command()
@voice_argument
@json_option
def releases(voice: str, as_json: bool) -> int:
    """What was released, when, by whom, and what is live."""
    from flows.commands import show_releases

    return show_releases(voice, as_json)


@vox.command()
@voice_argument
@json_option
def audit(voice: str, as_json: bool) -> int:
    """Prove that the journal of releases is whole. Exit code: 0 whole, 1 broken."""
    from flows.commands import audit_voice

    return audit_voice(voice, as_json)


@vox.command()
@voice_argument
@click.argument("text")
@click.option("-o", "--output", type=FILE, required=True, help="FLAC or WAV file.")
@click.option("--version", type=int, metavar="N", help="Speak with this version; with the champion without it.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, another reading.")
def say(voice: str, text: str, output: Path, version: int | None, seed: int) -> int:
    """Speak TEXT with the champion of VOICE."""
    from flows.commands import say_text

    return say_text(voice, text, output, version, seed)


@vox.command("import")
@click.argument("gpt", type=PRESENT_FILE)
@click.argument("sovits", type=PRESENT_FILE)
@click.option("--as", "name", required=True, metavar="NAME", help="Folder in base_models/ to write.")
@click.option("--discriminator", type=PRESENT_FILE, help="The s2D file of the same version; an adaptation needs it.")
@click.option("--replace", is_flag=True, help="Replace a base model of this name.")
def import_(gpt: Path, sovits: Path, name: str, discriminator: Path | None, replace: bool) -> int:
    """Read an official or community GPT (.ckpt) and SoVITS (.pth) of v2, v2Pro or v2ProPlus into base_models/NAME.

    Nothing in the files is run, and they are not changed. Exit code: 0 imported, 1 refused, with the reason.
    """
    from flows.weights import import_files

    return import_files(gpt, sovits, name, discriminator, replace)


@vox.command()
@voice_argument
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, resolve_path=True))
@click.option("--version", type=int, metavar="N", help="Export this version; the champion without it.")
@click.option("--float32", "in_full", is_flag=True, help="Do not round to float16, as the original does.")
@click.option("--inference-only", is_flag=True, help="Leave out enc_q, which only an adaptation needs.")
@click.option("--other-sizes", is_flag=True, help="Write sizes too that the original GPT-SoVITS cannot load.")
def export(
    voice: str, folder: Path, version: int | None, in_full: bool, inference_only: bool, other_sizes: bool
) -> int:
    """Write the champion of VOICE as VOICE-vN.ckpt and .pth, which the original GPT-SoVITS and its tools load.

    Exit code: 0 written, 1 refused, with the reason.
    """
    from flows.weights import export_voice

    dtype = "float32" if in_full else "float16"
    return export_voice(voice, folder, version, dtype, not inference_only, other_sizes)


@vox.command()
@click.argument("name", required=False)
@click.option("--mirror", metavar="URL", help="Stands in for scheme and host of the addresses; or VOXFOUNDRY_MIRROR.")
@click.option("--replace", is_flag=True, help="Replace a folder of this name that is not what base_models.lock pins.")
def pull(name: str | None, mirror: str | None, replace: bool) -> int:
    """Fetch the base model NAME, and what it needs, into base_models/; without NAME, list what there is.

    Files are continued where they broke off, and pinned in base_models.lock when they are first seen.
    Exit code: 0 there now, 1 refused or out of reach, with what to put where.
    """
    from flows.weights import pull_model

    return pull_model(name, mirror, replace)


@vox.group()
def voice() -> None:
    """Add a voice with its consent, or take one out of service."""


@voice.command("add")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True))
@click.option("--language", required=True, help="ISO 639 code of what is spoken, such as en.")
@click.option("--consent", type=PRESENT_FILE, required=True, help="The proof of the speaker's consent, any file.")
@click.option("--speaker", help="Who speaks; NAME without it.")
@click.option("--purpose", default="voice cloning", show_default=True, help="What the speaker allowed.")
@click.option("--valid-until", metavar="YYYY-MM-DD", help="The last day of the consent; no end without it.")
def voice_add(
    name: str, path: Path, language: str, consent: Path, speaker: str | None, purpose: str, valid_until: str | None
) -> int:
    """Copy the recordings in PATH to data/1_recordings/NAME with a consent record, and list NAME in params.yaml."""
    from flows.voices import add_voice

    return add_voice(name, path, language, consent, speaker or name, purpose, valid_until)


@voice.command("revoke")
@click.argument("name")
def voice_revoke(name: str) -> int:
    """Record that the consent for NAME was withdrawn, and take its champion out of service."""
    from flows.voices import revoke_voice

    return revoke_voice(name)


@vox.command()
@json_option
def doctor(as_json: bool) -> int:
    """What is installed and present: packages, judges, base models, GPU, disk, servers."""
    from flows.doctor import report

    return report(as_json)


@vox.group()
def server() -> None:
    """The Prefect server that runs in the background for this project."""


@server.command("status")
def server_status() -> int:
    """Where the server answers. Exit code: 0 running, 1 not."""
    from flows.server import running_server

    url = running_server()
    click.echo(f"running at {url.removesuffix('/api')}" if url else "not running; `vox run` starts one")
    return 0 if url else 1


@server.command("stop")
def server_stop() -> int:
    """Stop the server; the next run starts another."""
    from flows.server import stop_server

    click.echo("stopped" if stop_server() else "was not running")
    return 0


def main() -> None:
    """Entry point: errors that we can name become one line on stderr and an exit code."""
    code = _guarded(lambda: vox.main(standalone_mode=False), debug="--debug" in sys.argv)
    sys.exit(code)


def _guarded(command: Callable[[], int | None], debug: bool) -> int:
    try:
        return command() or 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.Abort:
        return _say_error("interrupted", 130)
    except click.ClickException as error:
        error.show()
        return NOT_MEASURED
    except KeyboardInterrupt:
        return _say_error("interrupted; run the same command again to continue", 130)
    except Exception as error:  # the last line of defence: a person gets a sentence, never a traceback
        if debug:
            raise
        named = isinstance(error, ValueError | OSError) or type(error).__module__.split(".")[0] in (
            "flows", "stages", "registry", "metrics", "gpt_sovits",
        )  # fmt: skip
        text = " ".join(str(error).split()) or type(error).__name__
        hint = "" if named else f" ({type(error).__name__}: a fault of vox; `vox --debug ...` shows where)"
        return _say_error(text + hint, getattr(error, "exit_code", NOT_MEASURED))


def _say_error(text: str, code: int) -> int:
    click.echo(f"error: {text}", err=True)
    return code


if __name__ == "__main__":
    main()
