"""The user's custom prompts in the folder `custom` beside a prompt file."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest
from prompt_helpers import CUSTOM_FILE, relock

from metrics.normalize import normalize_text
from metrics.prompts import CUSTOM, load_prompts, lock_path, main, write_lock

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "prompts"


@pytest.fixture
def custom_file(prompt_file: Path) -> Path:
    path = prompt_file.parent / CUSTOM / "orders.yaml"
    path.parent.mkdir()
    path.write_text(CUSTOM_FILE)
    write_lock(path)
    return path


def test_custom_prompts_follow_the_fixed_ones_and_use_their_seeds(prompt_file: Path, custom_file: Path) -> None:
    found = load_prompts(prompt_file)
    assert [(prompt.id, prompt.category) for prompt in found.prompts][2:] == [("own_1", CUSTOM)]
    assert found.seeds == (0, 2)


def test_a_new_changed_or_removed_custom_prompt_makes_another_set(prompt_file: Path, custom_file: Path) -> None:
    hashes = {load_prompts(prompt_file).sha256}
    relock(custom_file, CUSTOM_FILE.replace("12", "13").replace("twelve", "thirteen"))
    hashes.add(load_prompts(prompt_file).sha256)
    custom_file.unlink()
    without = load_prompts(prompt_file).sha256
    assert without == json.loads(lock_path(prompt_file).read_text())["content_sha256"]
    assert len({*hashes, without}) == 3


def test_custom_prompts_of_another_language_are_checked_but_not_in_the_set(
    prompt_file: Path, custom_file: Path
) -> None:
    before = load_prompts(prompt_file).sha256
    other = custom_file.with_name("korean.yaml")
    relock(other, CUSTOM_FILE.replace("language: en", "language: ko"))
    assert load_prompts(prompt_file).sha256 == before
    other.write_text(CUSTOM_FILE)
    with pytest.raises(ValueError, match=r"korean\.yaml: the prompts differ from the locked ones"):
        load_prompts(prompt_file)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("own_1", "a_1", r"orders\.yaml: id 'a_1' is there more than once, first in .*xx\.yaml"),
        (
            "Order 12 has left.",
            "Good evening, Anna.",
            r"orders\.yaml: text 'Good evening, Anna\.' is there more than once",
        ),
    ],
)
def test_a_custom_prompt_that_is_already_in_the_set_is_refused(
    prompt_file: Path, custom_file: Path, old: str, new: str, message: str
) -> None:
    relock(custom_file, CUSTOM_FILE.replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_prompts(prompt_file)


def test_two_custom_files_with_the_same_id_are_refused(prompt_file: Path, custom_file: Path) -> None:
    relock(custom_file.with_name("terms.yaml"), CUSTOM_FILE.replace("Order 12 has left.", "Another text."))
    with pytest.raises(ValueError, match=r"terms\.yaml: id 'own_1' is there more than once, first in .*orders\.yaml"):
        load_prompts(prompt_file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            CUSTOM_FILE.replace("category: custom", "category: names"),
            "category of own_1: in this file it must be 'custom'",
        ),
        (CUSTOM_FILE.replace("version: 1", "version: 1\nseeds: [0]"), "seeds: Extra inputs"),
        (CUSTOM_FILE.replace("Order 12 has left.", "Mm-hmm."), "text of own_1: 'Mm-hmm.' has no words"),
        (CUSTOM_FILE.replace("language: en", "language: eng"), "unknown language 'eng'"),
    ],
)
def test_a_malformed_custom_file_is_refused(prompt_file: Path, custom_file: Path, text: str, message: str) -> None:
    custom_file.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        load_prompts(prompt_file)
    assert str(custom_file) in str(error.value)


def test_a_custom_file_without_its_lock_or_with_another_is_refused(prompt_file: Path, custom_file: Path) -> None:
    custom_file.write_text(CUSTOM_FILE.replace("12", "14"))
    with pytest.raises(ValueError, match=r"orders\.yaml: the prompts differ from the locked ones"):
        load_prompts(prompt_file)
    lock_path(custom_file).unlink()
    with pytest.raises(
        ValueError, match=r"there is no lock for orders\.yaml; run `python -m metrics\.prompts lock .*orders\.yaml`"
    ):
        load_prompts(prompt_file)


@pytest.mark.parametrize("name", ["terms.yml", "terms.json", "more/terms.yaml"])
def test_a_file_that_would_be_overlooked_is_refused(prompt_file: Path, custom_file: Path, name: str) -> None:
    place = custom_file.parent / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(CUSTOM_FILE)
    with pytest.raises(ValueError, match=r"would not be read; custom prompts are files custom/NAME\.yaml"):
        load_prompts(prompt_file)


def test_notes_beside_custom_prompts_change_nothing(prompt_file: Path, custom_file: Path) -> None:
    before = load_prompts(prompt_file)
    custom_file.with_name("README.md").write_text("notes")
    custom_file.with_name(".orders.yaml.swp").write_text("an editor's")
    assert load_prompts(prompt_file) == before


def test_a_custom_file_alone_is_not_a_set(custom_file: Path) -> None:
    with pytest.raises(ValueError, match="a file of custom prompts is not a set by itself"):
        load_prompts(custom_file)


def test_the_documented_example_can_be_locked_and_loaded(prompt_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (FOLDER / CUSTOM / "README.md").read_text(encoding="utf-8")
    name, example = re.search(r"(?m)^    # custom/(\w+\.yaml)\n((?:    .*\n)+)", text).groups()
    path = prompt_file.parent / CUSTOM / name
    path.parent.mkdir()
    path.write_text(textwrap.dedent(example))
    assert main(["lock", str(path), str(prompt_file)]) == 0
    assert "the set has 3 prompts x 2 seeds" in capsys.readouterr().out
    prompt = load_prompts(prompt_file).prompts[-1]
    assert normalize_text(prompt.text) == normalize_text(prompt.normalized)
