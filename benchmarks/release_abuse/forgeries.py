"""Forged inputs: each is made in a copy of a project, every command is given, the forgery is undone, and again."""

from __future__ import annotations

import importlib
import io
import json
import os
import random
import resource
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from sqlalchemy.exc import SQLAlchemyError

from benchmarks.release_abuse.forged_files import FILE_FORGERS, PASSWORD, REVOCATION_FORGERS
from benchmarks.release_abuse.forged_journals import JOURNAL_FORGERS, older_copies
from benchmarks.release_abuse.forged_models import MODEL_FORGERS
from benchmarks.release_abuse.forged_scene import FAILED, UNAPPROVED, UNJUDGED, Forger, Template, make_templates
from benchmarks.release_abuse.forks import ForkError, in_fork
from benchmarks.release_abuse.places import VOICE, Place
from benchmarks.release_abuse.undone import undo_forgery
from flows.cli import vox
from flows.guard import run_guarded
from registry.candidates.fingerprint import CandidateError
from registry.errors import RegistryError
from registry.releases.service import find_servable
from registry.storage.store import open_store

FORGERS: tuple[Forger, ...] = (*JOURNAL_FORGERS, *MODEL_FORGERS, *FILE_FORGERS, *REVOCATION_FORGERS)
Command = tuple[str, ...]
COMMANDS: tuple[Command, ...] = (  # given to a forged project; no promotion is allowed in it
    ("releases",),
    ("audit",),
    ("gate", "--candidate", str(FAILED)),
    ("promote", "--version", str(UNJUDGED)),
    ("promote", "--version", str(FAILED)),
    ("promote", "--version", str(UNAPPROVED)),
    ("rollback",),
    ("releases", "--json"),
)
AFTERWARDS: tuple[Command, ...] = (  # given when the forgery was undone; all of them must work
    ("gate", "--candidate", str(UNJUDGED)),
    ("approve", "--version", str(UNJUDGED)),
    ("promote", "--version", str(UNJUDGED)),
    ("rollback",),
    ("rollback", "--to", str(UNJUDGED)),
    ("audit",),
    ("releases",),
)
SUCCEED_WITHOUT_CONSENT = ("audit", "releases")
REFUSED_WITHOUT_CONSENT = ("promote", "rollback")
MEMORY, CPU_SECONDS = 8 << 30, 60  # more than any command needs


@dataclass
class ForgeryResult:
    """What came out of the forgeries of one kind."""

    kind: str
    n: int = 0
    n_refused: int = 0  # after which releases, audit or rollback refused
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Answers:
    """What the commands said.

    Attributes:
        codes: Exit code of each command.
        texts: What each printed.
        spoke: The weights that could speak before the commands. None where the voice was refused.
        speaks: The same after them.
        released: The candidate ids of the releases that were written, None for a revocation.
    """

    codes: tuple[int, ...]
    texts: tuple[str, ...]
    spoke: str | None
    speaks: str | None
    released: frozenset[str]


def run_forgeries(
    folder: Path, *, n_kind: int, seed: int, forgers: Iterable[Forger] = FORGERS
) -> Iterator[ForgeryResult]:
    """Make forged inputs, and yield the result of each kind.

    Args:
        folder: For the projects, which is made.
        n_kind: How many of each kind.
        seed: Of what is forged.
        forgers: The kinds.
    """
    with make_templates(folder) as (released, revoked):
        _import_what_commands_import(released.place, folder)
        for forger in forgers:
            template = revoked if forger in REVOCATION_FORGERS else released
            result = ForgeryResult(kind_of(forger))
            for number in range(n_kind):
                result.n += 1
                _forge_once(template, folder / "forgery", forger, f"{seed} {result.kind} {number}", result)
            yield result


def kind_of(forger: Forger) -> str:
    """Return the name of a kind of forgery."""
    return forger.__name__.replace("_", " ")


def _import_what_commands_import(template: Place, folder: Path) -> None:
    """Import in this process what the commands import late, because every fork would import it again."""
    place = template.copy(folder / "imports")
    for name in in_fork(_modules_of_commands, place):
        with suppress(Exception):
            importlib.import_module(name)
    place.remove()


def _modules_of_commands(place: Place) -> list[str]:
    place.enter()
    _give_commands(place, (*COMMANDS, *AFTERWARDS))
    return list(sys.modules)


def _forge_once(template: Template, root: Path, forger: Forger, seed: str, result: ForgeryResult) -> None:
    """Make one forged input, and note every fault."""
    project, what = root / "project", "?"
    place = template.place.copy(project)
    try:
        what, answers = in_fork(_forge, place, template, forger, seed, root)
        result.n_refused += any(answers.codes[i] for i in (0, 1, -2, -1))
        faults = _find_faults(answers, template, may_be_older=forger is older_copies)
        undo_forgery(template.place.store.root, project, root / "forged")
        again = in_fork(_give_commands, place, AFTERWARDS)
        faults += [f"undone: {fault}" for fault in _find_faults_afterwards(again, template)]
        faults += ["something was executed"] * any(root.rglob("executed"))
    except ForkError as error:
        faults = [" / ".join(str(error).strip().splitlines()[-5:])]
    result.faults += [f"{seed} ({what}): {fault}" for fault in faults]
    shutil.rmtree(root, ignore_errors=True)


def _forge(place: Place, template: Template, forger: Forger, seed: str, root: Path) -> tuple[str, Answers]:
    place.enter()
    what = forger(replace(template.scene, root=place.store.root), random.Random(seed))
    shutil.copytree(place.store.root, root / "forged", symlinks=True)
    return what, _give_commands(place, COMMANDS)


def _give_commands(place: Place, commands: Iterable[Command]) -> Answers:
    """Give commands in a project whose settings are as they are, and return what they said. It runs in a fork."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    os.chdir(place.store.root)
    voice = os.environ.pop("ABUSED_VOICE", VOICE)
    codes, texts = [], []
    before, spoke = _release_rows(place), _spoken(place)
    with mock.patch("registry.releases.promotion.speak_once"):  # the weights are a few bytes, which cannot speak
        for name, *options in commands:
            output = io.StringIO()
            arguments = [name, *options, "--", voice]
            with redirect_stdout(output), redirect_stderr(output):
                codes.append(run_guarded(lambda given=arguments: vox.main(given, standalone_mode=False), debug=False))
            texts.append(f"vox {name}: {output.getvalue()}")
    written = [content for key, content in _release_rows(place).items() if key not in before]
    released = {str(row["candidate_id"]) for row in written if row["action"] not in ("revoke", "restore")}
    return Answers(tuple(codes), tuple(texts), spoke, _spoken(place), frozenset(released))


def _spoken(place: Place) -> str | None:
    with suppress(RegistryError, CandidateError, ValueError, SQLAlchemyError):  # what the command line explains
        today, recordings = datetime.now(UTC).date(), place.desk.recordings
        folder = find_servable(open_store(), VOICE, recordings_dir=recordings, today=today).folder
        return (folder / "gpt/model.safetensors").read_text()
    return None


def _release_rows(place: Place) -> dict[tuple[int, str], dict]:
    """Return the ends of releases in the journal, by number and hash. A database that cannot be read has none."""
    query = "SELECT number, hash, content FROM voxfoundry_records WHERE kind = 'release' AND content LIKE '%\"done\"%'"
    rows = {}
    with suppress(sqlite3.Error), closing(sqlite3.connect(place.store.root / "mlflow.db")) as connection:
        for number, digest, content in connection.execute(query):
            with suppress(ValueError):
                rows[number, digest] = json.loads(content)
    return rows


def _find_faults(answers: Answers, template: Template, *, may_be_older: bool) -> list[str]:
    """Return what must never be, whatever was forged.

    Args:
        answers: Of the commands in the forged project.
        template: What was forged.
        may_be_older: Whether the journal and its anchor may be older copies, in which version 1 is champion.
    """
    champion, former = template.champion, "gpt weights 1"
    before = {None, champion} | ({former} if may_be_older else set())
    after = before | ({former} if champion else set())
    faults = _find_faults_in(answers.texts)
    if answers.spoke not in before:
        faults.append(f"the forgery lets {answers.spoke!r} speak")
    if answers.speaks not in after:
        faults.append(f"the commands let {answers.speaks!r} speak")
    if others := answers.released - set(template.scene.released if champion else ()):
        faults.append(f"released: {', '.join(others)}")
    return faults


def _find_faults_in(texts: Iterable[str]) -> list[str]:
    faults = []
    for text in texts:
        if "a fault of vox" in text or "Traceback" in text:
            faults.append(text[:400])
        if PASSWORD in text:
            faults.append(f"a password is printed: {text[:400]}")
        if any(ord(character) < 32 and character not in "\n\t" for character in text):
            faults.append(f"a control character is printed: {text[:200]!r}")
    return faults


def _find_faults_afterwards(answers: Answers, template: Template) -> list[str]:
    """Return what does not work although the forgery was undone."""
    faults = _find_faults_in(answers.texts)
    speaks = f"gpt weights {UNJUDGED}" if template.champion else None  # which has a verdict and an approval by now
    if answers.speaks != speaks:
        faults.append(f"{answers.speaks!r} speaks instead of {speaks!r}")
    for (name, *_), code, text in zip(AFTERWARDS, answers.codes, answers.texts, strict=True):
        must_succeed = template.champion is not None or name in SUCCEED_WITHOUT_CONSENT
        must_fail = template.champion is None and name in REFUSED_WITHOUT_CONSENT
        if (code and must_succeed) or (not code and must_fail):
            faults.append(f"exit code {code}: {text[:400]}")
    return faults
