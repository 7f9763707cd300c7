"""Forged files and settings: anchors, trusted keys, consents, revocations, policies, names, paths and addresses."""

from __future__ import annotations

import json
import os
import random
import re
import shutil

from benchmarks.release_abuse.forged_journals import stranger_key
from benchmarks.release_abuse.forged_scene import (
    ODD_TEXTS,
    RECORDINGS,
    REVOKED_VOICE_YAML,
    YAML_BOMB,
    YAML_CODE,
    Forger,
    Scene,
    odd_text,
)
from registry.keys.ed25519 import public_key_of

PASSWORD = "correct-horse-battery"  # noqa: S105  (it must not be printed)
YAML_FILES = (
    "params.yaml",
    "dvc.yaml",
    "trusted_keys.yaml",
    "prompts/en.yaml",
    "prompts/en.lock",
    "revocations/anna.yaml",
    f"{RECORDINGS}/voice.yaml",
)


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
    stranger = stranger_key(scene)
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


def restore_consent(scene: Scene, random_: random.Random) -> str:
    """Put the voice.yaml from before the revocation back, and hide the revocation elsewhere."""
    recordings, root = scene.root / RECORDINGS, scene.root
    shutil.copy(recordings / REVOKED_VOICE_YAML, recordings / "voice.yaml")
    what = random_.choice(("nothing", "revocations", "database", "anchor", "rows", "rows and end", "alias", "renewed"))
    if what in ("revocations", "database", "rows", "alias"):
        shutil.rmtree(root / "revocations")
    if what == "database":
        shutil.copy(scene.older / "mlflow.db", root)
    elif what == "anchor":
        shutil.copy(scene.older / "releases/anna.json", root / "releases")
    elif what == "renewed":
        path = recordings / "voice.yaml"
        path.write_text(path.read_text().replace("2026-01-01", random_.choice(("2026-02-02", "2026-11-01"))))
    elif what in ("rows", "rows and end", "alias"):
        with scene.database() as database:
            if what != "alias":
                kept = "SELECT max(number) FROM older.voxfoundry_records"
                database.execute(f"DELETE FROM voxfoundry_records WHERE number > ({kept})")
            if what == "rows and end":
                database.execute("REPLACE INTO voxfoundry_heads SELECT * FROM older.voxfoundry_heads")
            database.execute(
                "INSERT OR IGNORE INTO registered_model_aliases SELECT * FROM older.registered_model_aliases"
            )
    return f"voice.yaml from before the revocation, and {what}"


def forge_policy(scene: Scene, random_: random.Random) -> str:
    """Write a policy that lets everything pass, or that is none."""
    path = scene.root / "params.yaml"
    lines = path.read_text().splitlines()
    start = lines.index("gate:")
    end = next((n for n in range(start + 1, len(lines)) if lines[n] and lines[n][0] not in " #-"), len(lines))
    before, gate, after = lines[:start], "\n".join(lines[start:end]), lines[end:]
    odd = random_.choice(
        (".nan", ".inf", "-1", "1.0e+300", "9" * 400, json.dumps(odd_text(random_)), YAML_CODE.strip())
    )
    field = random_.choice(("at_most", "margin", "confidence", "n_resamples", "min_prompts", "seed", "metric", "unit"))
    texts = {
        "no thresholds": "gate: {}",
        "code": f"gate: {YAML_CODE}",
        "null": "gate:",
        "weak confidence": re.sub(r"confidence: .*", "confidence: 0.500001", gate),
        "weak threshold": re.sub(r"at_most: .*", "at_most: 0.99", gate),
        "wide margin": re.sub(r"margin: .*", "margin: 0.9", gate),
        "many resamples": re.sub(r"n_resamples: .*", "n_resamples: 1000000000000", gate),
        "unknown field": f"{gate}\n  trust_me: true",
        f"{field} {odd[:20]}": re.sub(rf"\b{field}: .*", lambda _: f"{field}: {odd}", gate),
    }
    name = random_.choice(list(texts))
    path.write_text("\n".join([*before, texts[name], *after]) + "\n")
    return f"policy: {name}"


def forge_yaml(scene: Scene, random_: random.Random) -> str:
    """Write code, a bomb or nonsense into a YAML file of the project."""
    name = random_.choice(YAML_FILES)
    path = scene.root / name
    contents = {
        "code": YAML_CODE.encode(),
        "bomb": YAML_BOMB.encode(),
        "module": b"!!python/module:antigravity\n",
        "object": b"!!python/object/new:subprocess.Popen [['touch', 'executed']]\n",
        "deep": b"[" * 5_000,
        "binary": b"\xff\xfe\x00\x01",
        "endless": b"a: &a [*a]\n",
        "tag": b"!odd {a: 1}\n",
        "merge": b"a: &a {<<: *a}\n",
        "pickle": b"cposix\nsystem\n(S'touch executed'\ntR.",
        "keys": b"? {a: 1}\n: 2\n",
        "odd": odd_text(random_).encode(),
    }
    what = random_.choice(list(contents))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(contents[what])
    return f"{name}: {what}"


def odd_path(scene: Scene, random_: random.Random) -> str:
    """Let a path of the project lead elsewhere."""
    names = ("releases", "mlartifacts", "data/1_recordings/anna", "revocations", ".vox/keys", "prompts", "mlflow.db")
    name = random_.choice((*names, "setting", "params"))
    elsewhere = scene.root.parent / "elsewhere"  # not a folder of the machine, because commands may write there
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "file").write_text("of somebody else")
    targets = (str(elsewhere), str(elsewhere / "file"), str(elsewhere / "nothing"), ".", "..")
    target = random_.choice(targets)
    if name == "setting":
        name = random_.choice(("VOXFOUNDRY_SIGNING_KEY", "VOXFOUNDRY_TRUSTED_KEYS", "VOXFOUNDRY_ANCHOR"))
        os.environ[name] = random_.choice((target, odd_text(random_).replace("\x00", "")[:50_000]))
    elif name == "params":
        path = scene.root / "params.yaml"
        path.write_text(re.sub("prompts: prompts", f"prompts: {json.dumps(target)}", path.read_text()))
    else:
        path = scene.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.symlink_to(target)
    return f"{name} leads to {target}"


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
    forge_anchor,
    forge_trust,
    forge_consent,
    forge_policy,
    forge_yaml,
    odd_path,
    odd_actor,
    odd_voice,
    odd_address,
)
REVOCATION_FORGERS: tuple[Forger, ...] = (restore_consent,)  # of the project whose voice was revoked
