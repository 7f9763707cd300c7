"""Forged inputs: each is made in a copy of a project, every command is given, the forgery is undone, and again."""

from __future__ import annotations

import io
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from release_helpers import LINEAGE, scorecard, write_scores, write_voice_folder

from benchmarks.release_abuse.forged_files import FILE_FORGERS, PASSWORD
from benchmarks.release_abuse.forged_journals import DATABASE_FORGERS, Forger, Scene
from benchmarks.release_abuse.forks import ForkError, in_fork
from benchmarks.release_abuse.places import VOICE, Place, fill, open_place
from flows.cli import vox
from flows.guard import run_guarded
from registry.candidates.fingerprint import CandidateError
from registry.candidates.registration import register_candidate
from registry.errors import RegistryError
from registry.releases.service import find_servable
from registry.storage.store import open_store

FORGERS = (*DATABASE_FORGERS, *FILE_FORGERS)
JUDGED = {"gpt weights 1", "gpt weights 2"}
COMMANDS = (
    ("releases",),
    ("audit",),
    ("gate", "--candidate", "4"),
    ("promote", "--version", "3"),
    ("promote", "--version", "4"),
    ("rollback",),
    ("releases", "--json"),
)
BY_FORGER = ("mlflow.db", "mlartifacts", "releases", "trusted_keys.yaml", ".vox", "data", "revocations", "executed")


@dataclass
class ForgeryResult:
    """What came out of the forgeries of one kind."""

    kind: str
    n: int = 0
    n_refused: int = 0  # after which at least one command was refused
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Answers:
    """What the commands said.

    Attributes:
        codes: Exit code of each command.
        texts: What each printed.
        spoken: The weights that may speak, None where the voice is refused.
    """

    codes: tuple[int, ...]
    texts: tuple[str, ...]
    spoken: str | None


def run_forgeries(folder: Path, *, n: int, seed: int) -> list[ForgeryResult]:
    """Make n forged inputs, each kind in turn.

    Args:
        folder: For the projects, which is made.
        n: How many.
        seed: Of what is forged.
    """
    results = {forger: ForgeryResult(forger.__name__.replace("_", " ")) for forger in FORGERS}
    with make_scene(folder) as (template, scene):
        for number in range(n):
            forger = FORGERS[number % len(FORGERS)]
            results[forger].n += 1
            _forge_once(template, scene, folder / str(number), forger, f"{seed} {number}", results[forger])
    return list(results.values())


@contextmanager
def make_scene(folder: Path) -> Iterator[tuple[Place, Scene]]:
    """Make a project in which versions 1 and 2 were released, 3 was not judged and 4 failed."""
    with open_place("SQLite", folder / "template") as template, open_place("SQLite", folder / "other") as other:
        fill(template, 3, n_released=1)
        root, older, foreign = template.store.root, folder / "older", folder / "foreign"
        older.mkdir()
        shutil.copy(root / "mlflow.db", older)
        shutil.copytree(root / "releases", older / "releases")
        in_fork(_release_second, template)
        shutil.copytree(root / ".vox", other.store.root / ".vox")
        fill(other, 3, n_released=3)
        other.store.root.rename(foreign)
        yield template, Scene(root, older, foreign)


def _release_second(place: Place) -> None:
    place.enter()
    folder = place.store.root / "build/4"
    voice = write_voice_folder(folder / "voice", "weights 4")
    scores = write_scores(folder, scorecard(n_prompts=10, wer=0.9))
    register_candidate(place.store, VOICE, voice_folder=voice, scorecard_path=scores, lineage=LINEAGE)
    place.desk.gate(2)
    place.desk.promote(2)
    assert place.desk.gate(4).verdict.outcome == "fail"


def _forge_once(template: Place, scene: Scene, root: Path, forger: Forger, seed: str, result: ForgeryResult) -> None:
    """Make one forged input, and note every fault."""
    project = root / "project"
    place = template.copy(project)
    scene = Scene(project, scene.older, scene.foreign)
    what = "?"
    try:
        what, answers = in_fork(_forge, place, scene, forger, seed, root)
        result.n_refused += any(answers.codes)
        faults = _find_faults(place, answers)
        _undo(template.store.root, project, root / "forged")
        again = in_fork(_give_commands, place)
        faults += [f"undone: {fault}" for fault in (*_find_faults(place, again), *_why_not_well(again))]
    except ForkError as error:
        faults = [" / ".join(str(error).strip().splitlines()[-5:])]
    result.faults += [f"{seed} ({what}): {fault}" for fault in faults]
    shutil.rmtree(root, ignore_errors=True)


def _forge(place: Place, scene: Scene, forger: Forger, seed: str, root: Path) -> tuple[str, Answers]:
    place.enter()
    what = forger(scene, random.Random(seed))
    shutil.copytree(scene.root, root / "forged", symlinks=True)
    return what, _answers(place)


def _give_commands(place: Place) -> Answers:
    place.enter()
    return _answers(place)


def _answers(place: Place) -> Answers:
    os.chdir(place.store.root)
    voice = os.environ.pop("ABUSED_VOICE", VOICE)
    codes, texts = [], []
    for name, *options in COMMANDS:
        output = io.StringIO()
        arguments = [name, *options, "--", voice]
        with redirect_stdout(output), redirect_stderr(output):
            codes.append(run_guarded(lambda given=arguments: vox.main(given, standalone_mode=False), debug=False))
        texts.append(f"vox {name}: {output.getvalue()}")
    return Answers(tuple(codes), tuple(texts), _spoken(place))


def _spoken(place: Place) -> str | None:
    with suppress(RegistryError, CandidateError, ValueError):
        today, recordings = datetime.now(UTC).date(), place.desk.recordings
        folder = find_servable(open_store(), VOICE, recordings_dir=recordings, today=today).folder
        return (folder / "gpt/model.safetensors").read_text()
    return None


def _find_faults(place: Place, answers: Answers) -> list[str]:
    """Return what must never be, whatever was forged."""
    faults = []
    if answers.spoken is not None and answers.spoken not in JUDGED:
        faults.append(f"what speaks is {answers.spoken[:80]!r}, which was not judged")
    for text in answers.texts:
        if "a fault of vox" in text or "Traceback" in text:
            faults.append(text[:400])
        if PASSWORD in text:
            faults.append(f"a password is printed: {text[:400]}")
        if any(ord(character) < 32 and character not in "\n\t" for character in text):
            faults.append(f"a control character is printed: {text[:200]!r}")
        if "version 3 is champion" in text or "version 4 is champion" in text:
            faults.append(f"an unjudged version is champion: {text[:300]}")
    if any(Path(folder, "executed").exists() for folder in (place.store.root, place.store.root.parent)):
        faults.append("something was executed")
    return faults


def _why_not_well(answers: Answers) -> list[str]:
    """Return what does not work although the forgery was undone."""
    faults = []
    if answers.spoken is None:
        faults.append(f"the voice does not speak: {answers.texts[1][:300]} {answers.texts[-2][:300]}")
    if any(answers.codes[i] for i in (0, -1)):
        faults.append(f"releases fails: {answers.texts[0][:300]}")
    if answers.codes[1] and "broken: the alias champion is at" not in answers.texts[1]:
        faults.append(f"the audit is not whole: {answers.texts[1][:400]}")
    return faults


def _undo(original: Path, project: Path, forged: Path) -> None:
    """Take back what the forger changed, and nothing that the commands did since."""
    for name in BY_FORGER:
        before, middle, now = original / name, forged / name, project / name
        if name == "mlflow.db":
            if _is_other_database(before, middle):
                shutil.copy(before, now)
                shutil.copytree(original / "releases", project / "releases", dirs_exist_ok=True)
            else:
                _merge_database(before, middle, now)
        elif not _is_same(before, middle):
            shutil.rmtree(now) if now.is_dir() else now.unlink(missing_ok=True)
            if before.exists():
                (shutil.copytree if before.is_dir() else shutil.copy)(before, now)


def _is_same(one: Path, other: Path) -> bool:
    return _content(one) == _content(other)


def _content(path: Path) -> dict[str, bytes | str]:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return {
        str(file.relative_to(path)): str(file.readlink()) if file.is_symlink() else file.read_bytes()
        for file in files
        if file.is_symlink() or file.is_file()
    } | {str(file.relative_to(path)) + "/": "" for file in files if file.is_dir()}


def _is_other_database(before: Path, middle: Path) -> bool:
    """Return whether the whole database was exchanged for another copy."""
    marks = []
    for path in (before, middle):
        with sqlite3.connect(path) as connection:
            marks.append(connection.execute("SELECT count(*) FROM runs").fetchone())
        connection.close()
    return marks[0] != marks[1] or "older" in str(middle)


def _merge_database(before: Path, middle: Path, now: Path) -> None:
    """Put back the rows that the forger changed, deleted or added, and keep those that were written since."""
    connection = sqlite3.connect(now)
    connection.execute("ATTACH ? AS was", (str(before),))
    connection.execute("ATTACH ? AS forged", (str(middle),))
    ours = "name LIKE 'voxfoundry_%' OR name LIKE 'registered_model%' OR name LIKE 'model_version%'"
    tables = f"SELECT name, sql FROM was.sqlite_master WHERE type = 'table' AND ({ours})"
    here = {row[0] for row in connection.execute("SELECT name FROM forged.sqlite_master WHERE type = 'table'")}
    present = {row[0] for row in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}
    for name, sql in connection.execute(tables).fetchall():
        if name not in present:
            connection.execute(sql)
        if name in here:
            columns = [row[1] for row in connection.execute(f"PRAGMA was.table_info({name})")]
            equal = " AND ".join(f"f.{column} IS main.{name}.{column}" for column in columns)
            added = f"SELECT * FROM forged.{name} EXCEPT SELECT * FROM was.{name}"
            connection.execute(f"DELETE FROM main.{name} WHERE EXISTS (SELECT 1 FROM ({added}) AS f WHERE {equal})")
            gone = f"SELECT * FROM was.{name} EXCEPT SELECT * FROM forged.{name}"
        else:
            gone = f"SELECT * FROM was.{name}"
        connection.execute(f"INSERT OR IGNORE INTO main.{name} {gone}")
    connection.commit()
    connection.close()
