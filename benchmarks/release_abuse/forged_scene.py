"""The project that is forged, and what forgers share.

Versions 1 and 2 were released. Nobody judged version 3, version 4 failed, and version 5 passed without an approval.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from benchmarks.release_abuse.forks import in_fork
from benchmarks.release_abuse.places import VOICE, Place, build_candidate, fill, open_place, register
from flows.commands.revocation import revoke_voice
from registry.releases.approvals import approve
from registry.releases.journal import read_journal, write_checkpoint_if_due

ODD_TEXTS = (
    "[/x]",
    "[bold red]x[/]",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "a\r\nb\x00c",
    "<script>alert(1)</script>",
    "' OR 1=1; DROP TABLE voxfoundry_records; --",
    "../../etc/passwd",
    "..",
    "",
    "x" * 100_000,
    "%s%n{0}${HOME}$(touch executed)`touch executed`",
    "\u202egnp.exe",
    "\ud800",
    "9" * 400,
    "-1",
    "NaN",
    "null",
)

YAML_CODE = "!!python/object/apply:os.system ['touch executed']\n"
YAML_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
RECORDINGS = Path("data/1_recordings") / VOICE
REVOKED_VOICE_YAML = "voice.yaml.before"  # in the folder of recordings of the revoked project
UNJUDGED, FAILED, UNAPPROVED = 3, 4, 5


@dataclass(frozen=True)
class Scene:
    """A project that is forged.

    Attributes:
        root: The project.
        older: mlflow.db and releases/ as they were before the newest release or the revocation.
        foreign: A project with other candidates whose journal the same key signed.
        released: The candidate ids of versions 1 and 2.
    """

    root: Path
    older: Path
    foreign: Path
    released: tuple[str, ...]

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """Open the project's database and commit at the end."""
        connection = sqlite3.connect(self.root / "mlflow.db")
        connection.execute("ATTACH ? AS older", (str(self.older / "mlflow.db"),))
        connection.execute("ATTACH ? AS foreign_", (str(self.foreign / "mlflow.db"),))
        try:
            yield connection
            connection.commit()
        finally:
            connection.close()

    def models(self) -> list[Path]:
        """Return the folders of MLflow's models, by the number of their candidate."""
        found = {path.read_text(): path for path in (self.root / "mlartifacts").rglob("gpt/model.safetensors")}
        return [
            next(model.parent for model in found[text].parents if model.name == "artifacts") for text in sorted(found)
        ]


Forger = Callable[[Scene, random.Random], str]


@dataclass(frozen=True)
class Template:
    """A project to copy, and its scene.

    Attributes:
        place: The project.
        scene: What a forger of a copy may use.
        champion: The weights that speak. None where the voice is revoked.
    """

    place: Place
    scene: Scene
    champion: str | None


def odd_text(random_: random.Random) -> str:
    """Return a text that would be harmful where it is printed, parsed or run, without what SQLite cannot keep."""
    return random_.choice(ODD_TEXTS).replace("\ud800", "?")


@contextmanager
def make_templates(folder: Path) -> Iterator[tuple[Template, Template]]:
    """Make a project with a champion, and one whose voice was revoked.

    Args:
        folder: For the projects, which is made.
    """
    with open_place("SQLite", folder / "template") as place, open_place("SQLite", folder / "other") as other:
        _require_approval(place.store.root)
        fill(place, 3, n_released=1)
        root, foreign = place.store.root, folder / "foreign"
        older = _keep(root, folder / "older")
        released = in_fork(_release_second, place)
        shutil.copytree(root / ".vox", other.store.root / ".vox")
        fill(other, 3, n_released=3)
        other.store.root.rename(foreign)
        revoked = place.copy(folder / "revoked")
        before_revocation = _keep(revoked.store.root, folder / "before_revocation")
        in_fork(_revoke, revoked)
        yield (
            Template(place, Scene(root, older, foreign, released), "gpt weights 2"),
            Template(revoked, Scene(revoked.store.root, before_revocation, foreign, released), None),
        )


def _keep(root: Path, folder: Path) -> Path:
    """Copy what changes with a release."""
    folder.mkdir()
    shutil.copy(root / "mlflow.db", folder)
    shutil.copytree(root / "releases", folder / "releases")
    return folder


def _require_approval(root: Path) -> None:
    path = root / "params.yaml"
    path.write_text(path.read_text().replace("approvals: 0", "approvals: 1"))


def _release_second(place: Place) -> tuple[str, ...]:
    place.enter()
    store = place.store
    for number, wer in ((FAILED, 0.9), (UNAPPROVED, 0.1)):
        build_candidate(store.root, number, wer=wer)
        register(store, number)
    write_checkpoint_if_due(store, VOICE, read_journal(store, VOICE), every=1)
    place.desk.gate(2)
    approve(store, VOICE, version=2, actor="tester")
    place.desk.promote(2, approvals=1)
    assert place.desk.gate(FAILED).verdict.outcome == "fail"
    assert place.desk.gate(UNAPPROVED).verdict.outcome == "pass"
    return tuple(release.candidate_id for release in read_journal(store, VOICE).state.past)


def _revoke(place: Place) -> None:
    place.enter()
    shutil.copy(RECORDINGS / "voice.yaml", RECORDINGS / REVOKED_VOICE_YAML)
    with redirect_stdout(None):
        revoke_voice(VOICE)
