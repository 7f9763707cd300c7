"""Forged files and settings: models, scores, anchors, trusted keys, consents, names, addresses with passwords."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

from benchmarks.release_abuse.forged_journals import ODD_TEXTS, Forger, Scene, odd_text
from registry.keys.ed25519 import make_key, public_key_of

PASSWORD = "correct-horse-battery"  # noqa: S105  (it must not be printed)
TOUCH = "__import__('pathlib').Path('executed').touch()\n"
YAML_CODE = "!!python/object/apply:os.system ['touch executed']\n"
YAML_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
RECORDINGS = Path("data/1_recordings/anna")


def change_weights(scene: Scene, random_: random.Random) -> str:
    """Change, remove or replace a file of a version's model."""
    number = random_.randrange(4)
    model = scene.models()[number]
    path = random_.choice(sorted(path for path in model.rglob("*") if path.is_file()))
    how = random_.choice(("flip", "remove", "link", "empty", "folder", "longer"))
    content = bytearray(path.read_bytes())
    if how == "flip" and content:
        content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
        path.write_bytes(content)
    elif how == "longer":
        path.write_bytes(content + b"\n")
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        if how == "link":
            path.symlink_to("/etc/passwd")
        elif how == "folder":
            path.mkdir()
    return f"version {number + 1}: {how} {path.name}"


def add_code(scene: Scene, random_: random.Random) -> str:
    """Put code into a version's model, where Python or MLflow would run it."""
    number = random_.randrange(4)
    model = scene.models()[number]
    name = random_.choice(("voice_model.py", "sitecustomize.py", "conftest.py", "__init__.py", "torch.py", "MLmodel"))
    if name == "MLmodel":
        (model / name).write_text(YAML_CODE)
    else:
        with (model / name).open("a") as file:
            file.write(TOUCH)
    if random_.random() < 0.3:
        (model / "python_model.pkl").write_bytes(b"cposix\nsystem\n(S'touch executed'\ntR.")
    return f"version {number + 1}: code in {name}"


def forge_scores(scene: Scene, random_: random.Random) -> str:
    """Let the scores of the bad candidate be perfect."""
    cards = sorted((scene.root / "mlartifacts").rglob("scorecard.json"))
    worst = max(cards, key=lambda path: sum(row["word_errors"] for row in json.loads(path.read_text())["rows"]))
    card = json.loads(worst.read_text())
    what = random_.choice(("word_errors 0", "nonsense", "similarity 1", "rows gone", "NaN", "references"))
    for row in card["rows"]:
        if what in ("word_errors 0", "nonsense"):
            row |= {"word_errors": 0, "char_errors": 0}
        if what == "nonsense":
            row["hypothesis"] = odd_text(random_)
        if what in ("similarity 1", "NaN"):
            row["similarity"] = 1.0 if what == "similarity 1" else float("nan")
        if what == "references":
            row["reference"] = row["hypothesis"]
    if what == "rows gone":
        card["rows"] = []
    worst.write_text(json.dumps(card))
    return f"scores: {what}"


def forge_anchor(scene: Scene, random_: random.Random) -> str:
    """Change the anchor in the project."""
    path = scene.root / "releases/anna.json"
    anchor = json.loads(path.read_text())
    field = random_.choice(sorted(anchor))
    texts = (
        "",
        "null",
        "[" * 50_000,
        odd_text(random_),
        json.dumps(anchor | {field: odd_text(random_)}),
        json.dumps(anchor | {"number": random_.choice((0, -1, 10**30, 1.5, "12", None))}),
        json.dumps(anchor | {"voice": "bob"}),
        (scene.foreign / "releases/anna.json").read_text(),
        (scene.older / "releases/anna.json").read_text(),
    )
    text = random_.choice(texts)
    path.unlink()
    if random_.random() < 0.15:
        path.mkdir()
        return "anchor: a folder"
    if random_.random() < 0.15:
        return "anchor: deleted"
    path.write_text(text)
    return f"anchor: {text[:40]!r}"


def forge_trust(scene: Scene, random_: random.Random) -> str:
    """Write a trust file, or exchange the machine's key."""
    stranger = scene.root.parent / "stranger.pem"
    make_key(stranger)
    entry = f"  - {{name: eve, public_key: '{public_key_of(stranger)}', roles: [engineer, release_manager]}}\n"
    own = public_key_of(scene.root / ".vox/keys/signing.pem")
    texts = {
        "code": YAML_CODE,
        "bomb": YAML_BOMB,
        "empty": "",
        "stranger": f"keys:\n{entry}",
        "nothing": "keys: []\n",
        "deep": "[" * 5_000,
        "odd name": f"keys:\n  - {{name: {json.dumps(odd_text(random_))}, public_key: '{own}', roles: [engineer]}}\n",
        "odd role": f"keys:\n  - {{name: me, public_key: '{own}', roles: [root]}}\n",
        "revoked": f"keys:\n  - {{name: me, public_key: '{own}', roles: [engineer], revoked_on: 2001-01-01}}\n",
    }
    name = random_.choice((*texts, "writable", "key", "no key", "odd key"))
    file, key = scene.root / "trusted_keys.yaml", scene.root / ".vox/keys/signing.pem"
    if name == "key":
        shutil.copy(stranger, key)
    elif name == "no key":
        key.unlink()
    elif name == "odd key":
        key.write_text(odd_text(random_))
    else:
        file.write_text(texts.get(name, texts["stranger"]))
        file.chmod(0o666 if name == "writable" else 0o644)
    return f"trust: {name}"


def forge_consent(scene: Scene, random_: random.Random) -> str:
    """Change voice.yaml, or write a revocation that is none."""
    path = scene.root / RECORDINGS / "voice.yaml"
    text = path.read_text()
    texts = {
        "code": YAML_CODE,
        "bomb": YAML_BOMB,
        "empty": "",
        "other voice": text.replace("anna", "bob"),
        "odd name": text.replace("anna", json.dumps(odd_text(random_))),
        "odd speaker": text.replace("a program", json.dumps(odd_text(random_))),
        "future": text.replace("2026-01-01", "9999-12-31"),
        "odd day": text.replace("2026-01-01", "0000-99-99"),
        "deep": "{a: " * 5_000,
    }
    name = random_.choice((*texts, "revocation", "folder"))
    if name == "revocation":
        (scene.root / "revocations").mkdir()
        (scene.root / "revocations/anna.yaml").write_text(random_.choice((YAML_CODE, YAML_BOMB, "- {}", "[")))
    elif name == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_text(texts[name])
    return f"consent: {name}"


def odd_actor(_: Scene, random_: random.Random) -> str:
    """Set an odd name of who acts."""
    name = random_.choice(ODD_TEXTS).replace("\x00", "")[:50_000]
    os.environ["VOXFOUNDRY_ACTOR"] = name.encode(errors="replace").decode()
    return f"actor {name[:30]!r}"


def odd_voice(_: Scene, random_: random.Random) -> str:
    """Name an odd voice."""
    name = random_.choice(ODD_TEXTS).replace("\x00", "")
    os.environ["ABUSED_VOICE"] = name.encode(errors="replace").decode()[:50_000]
    return f"voice {name[:30]!r}"


def odd_address(scene: Scene, random_: random.Random) -> str:
    """Set an address that has a password, is not there, or cannot be one."""
    own = f"sqlite:///{scene.root}/mlflow.db"
    (scene.root / "text").write_text("no database")
    addresses = (
        f"postgresql://vox:{PASSWORD}@127.0.0.1:1/vox",
        f"postgresql://vox:{PASSWORD}@127.0.0.1:port/vox",
        f"postgresql://127.0.0.1:1/vox?user=vox&password={PASSWORD}",
        f"postgres://vox:{PASSWORD}@[::1/vox",
        f"mysql://vox:{PASSWORD}@127.0.0.1/vox",
        f"vox:{PASSWORD}@127.0.0.1/vox",
        f"ftp://vox:{PASSWORD}@127.0.0.1:1/x",
        f"sqlite:///{scene.root}/new.db",
        f"sqlite:///{scene.root}/text",
        f"sqlite:///{scene.root}",
        f"sqlite:///{scene.root}/text/x.db",
        "sqlite://",
        "sqlite:///:memory:",
        f"sqlite:///{'x' * 5000}",
        f"sqlite:///{scene.foreign}/mlflow.db",
        odd_text(random_).replace("\x00", ""),
    )
    name = random_.choice(("VOXFOUNDRY_DATABASE_URI", "MLFLOW_TRACKING_URI", "VOXFOUNDRY_ANCHOR"))
    address = random_.choice(addresses)
    os.environ[name] = address
    if name == "MLFLOW_TRACKING_URI" and random_.random() < 0.3:
        os.environ["VOXFOUNDRY_DATABASE_URI"] = own
    return f"{name} {address[:60]!r}"


FILE_FORGERS: tuple[Forger, ...] = (
    change_weights,
    add_code,
    forge_scores,
    forge_anchor,
    forge_trust,
    forge_consent,
    odd_actor,
    odd_voice,
    odd_address,
)
