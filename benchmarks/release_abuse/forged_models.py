"""Forged models: MLflow's alias, versions and tags, and the files of models and scores."""

from __future__ import annotations

import json
import random

from benchmarks.release_abuse.forged_scene import YAML_CODE, Forger, Scene, odd_text

TOUCH = "__import__('pathlib').Path('executed').touch()\n"
MODEL_TABLES = ("registered_models", "registered_model_tags", "registered_model_aliases", "model_versions")


def move_alias(scene: Scene, random_: random.Random) -> str:
    """Move MLflow's alias by hand."""
    version = random_.choice((1, 3, 4, 5, 99, -1, 2**40, "four", None))
    with scene.database() as database:
        if version is None:
            database.execute("DELETE FROM registered_model_aliases")
        else:
            database.execute("UPDATE registered_model_aliases SET version = ?", (version,))
    return f"alias at {version}"


def forge_model(scene: Scene, random_: random.Random) -> str:
    """Delete the registered model and make it anew with other candidates in the numbers, or edit versions and tags."""
    odd = odd_text(random_)
    with scene.database() as database:
        what = random_.choice(("renumbered", "tag", "source", "gone", "bound", "deleted"))
        if what == "renumbered":
            for table in ("model_versions", "model_version_tags"):
                database.execute(f"UPDATE {table} SET version = version + 100")
                database.execute(f"UPDATE {table} SET version = 106 - version")
        elif what == "tag":
            key = random_.choice(("candidate_id", "model_sha256", "weights_sha256", "scores_sha256", "voice_path"))
            other = "(SELECT value FROM model_version_tags AS o WHERE o.key = t.key AND o.version = 2)"
            value = random_.choice((other, "'" + odd.replace("'", "") + "'"))
            database.execute(
                f"UPDATE model_version_tags AS t SET value = {value} WHERE key = ? AND version > 2", (key,)
            )
        elif what == "source":
            value = random_.choice((odd, "file:///etc", "models:/../..", "http://127.0.0.1:1/x", "s3://x/y"))
            column = random_.choice(("source", "storage_location"))
            version = random_.choice((2, 3, 4, 5))
            database.execute(f"UPDATE model_versions SET {column} = ? WHERE version = ?", (value, version))
        elif what == "gone":
            database.execute("DELETE FROM model_versions WHERE version = ?", (random_.choice((1, 2, 3, 4, 5)),))
        elif what == "bound":
            database.execute("DELETE FROM registered_model_tags")
            if random_.random() < 0.7:
                row = ("voxfoundry_database_id", odd)
                database.execute(
                    "INSERT INTO registered_model_tags SELECT ?, ?, name, workspace FROM registered_models", row
                )
        else:
            for table in random_.sample(MODEL_TABLES, random_.randrange(1, 5)):
                database.execute(f"DELETE FROM {table}")
    return f"model: {what}"


def change_weights(scene: Scene, random_: random.Random) -> str:
    """Change, remove or replace a file of a version's model."""
    number = random_.randrange(5)
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
    number = random_.randrange(5)
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


MODEL_FORGERS: tuple[Forger, ...] = (move_alias, forge_model, change_weights, add_code, forge_scores)
