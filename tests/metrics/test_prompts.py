"""The fixed prompts of the repository, and the loader that keeps them from changing unnoticed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pocketsphinx
import pytest

from metrics.normalize import normalize_text
from metrics.prompts import (
    CATEGORIES,
    content_sha256,
    load_prompts,
    lock_path,
    main,
    selection_subset,
    write_lock,
)

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "benchmarks" / "prompts").glob("*.yaml"))
HEAD = "format: 1\nlanguage: en\nversion: 1\nprompts:\n"
ONE = '  - {id: a_1, category: short, text: "Hello there, 2 of you.", normalized: hello there two of you}\n'
TWO = '  - {id: b_1, category: names, text: "Good evening, Anna.", normalized: good evening anna}\n'


@pytest.fixture
def prompt_file(tmp_path: Path) -> Path:
    path = tmp_path / "xx.yaml"
    path.write_text(HEAD + ONE + TWO)
    write_lock(path)
    return path


def relock(path: Path, text: str) -> None:
    """Replace the file and its lock, so that only the file's own faults are left to find."""
    path.write_text(text)
    lock_path(path).unlink(missing_ok=True)
    write_lock(path)


# the committed prompts


def test_a_prompt_file_is_committed() -> None:
    assert [path.name for path in FILES] == ["en.yaml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_committed_prompts_are_locked_enough_and_spread(path: Path) -> None:
    found = load_prompts(path)
    assert 64 <= len(found.prompts) <= 72
    for category in CATEGORIES:
        assert sum(prompt.category == category for prompt in found.prompts) >= 6, category


def test_english_prompts_are_ascii_and_speakable() -> None:
    for prompt in load_prompts(FILES[0]).prompts:
        assert prompt.text.isascii() and prompt.text[-1] in ".?!", prompt.id
        seconds = len(prompt.normalized) / 14  # about 14 characters a second are read aloud in English
        assert 0.9 <= seconds <= 15, prompt.id


def test_words_are_in_the_offline_judges_dictionary() -> None:
    lines = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8").splitlines()
    known = {line.split()[0] for line in lines}
    words = {word for prompt in load_prompts(FILES[0]).prompts for word in prompt.normalized.split()}
    assert words - known == set()


def test_text_and_spoken_words_normalise_to_the_same() -> None:
    different = {
        prompt.id: (normalize_text(prompt.text), normalize_text(prompt.normalized))
        for prompt in load_prompts(FILES[0]).prompts
        if normalize_text(prompt.text) != normalize_text(prompt.normalized)
    }
    assert different == {}


def test_no_prompt_is_a_sentence_of_the_sample_voice() -> None:
    metadata = ROOT / "data" / "1_recordings" / "sample" / "metadata.csv"
    with metadata.open(encoding="utf-8", newline="") as file:
        recorded = {_letters(row[-1]) for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)}
    for prompt in load_prompts(FILES[0]).prompts:
        for sentence in recorded:
            assert _letters(prompt.text) not in sentence and sentence not in _letters(prompt.text), prompt.id


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalpha())


# the loader


def test_loaded_prompts_are_the_files(prompt_file: Path) -> None:
    found = load_prompts(prompt_file)
    assert (found.language, found.version) == ("en", 1)
    assert [prompt.id for prompt in found.prompts] == ["a_1", "b_1"]
    assert found.sha256 == json.loads(lock_path(prompt_file).read_text())["content_sha256"]


def test_content_hash_ignores_order_and_sees_every_field(prompt_file: Path) -> None:
    prompts = load_prompts(prompt_file).prompts
    assert content_sha256("en", prompts) == content_sha256("en", prompts[::-1])
    changed = {content_sha256("en", prompts), content_sha256("de", prompts), content_sha256("en", prompts[:1])}
    for name, value in (("id", "c_1"), ("category", "long"), ("text", "Hi."), ("normalized", "hi")):
        changed.add(content_sha256("en", [prompts[0].model_copy(update={name: value}), prompts[1]]))
    assert len(changed) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + ONE.replace("text:", "note: x, text:"), r"prompts\.0\.note: Extra inputs"),
        (HEAD.replace("version", "author: x\nversion") + ONE, "author: Extra inputs"),
        (HEAD + ONE + ONE.replace("Hello", "Hi"), "id 'a_1' is there more than once"),
        (HEAD + ONE + ONE.replace("a_1", "c_1"), "text 'Hello there, 2 of you.' is there more than once"),
        (HEAD + ONE.replace("short", "poetry"), r"unknown category 'poetry'; one of everyday, .*domain_terms"),
        (HEAD + ONE.replace("two of you", "2 of you"), "lower-case words, one space between them, numbers written out"),
        (HEAD + ONE.replace("hello", "Hello"), "lower-case words"),
        (HEAD + ONE.replace('"Hello there, 2 of you."', '""'), "text: String should have at least 1 character"),
        (HEAD + ONE.replace("a_1", "../a"), r"prompts\.0\.id: "),
        (HEAD.replace("prompts:\n", "prompts: []\n"), "prompts: List should have at least 1 item"),
        (HEAD.replace("format: 1", "format: 2") + ONE, "format: Input should be 1"),
        ("", "the file: Input should be"),
        ("prompts: [", "not YAML"),
        (HEAD + ONE.replace("category: short", "category: short, category: names"), "not YAML"),
    ],
)
def test_malformed_file_is_refused_with_place_and_reason(prompt_file: Path, text: str, message: str) -> None:
    prompt_file.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        load_prompts(prompt_file)
    assert str(prompt_file) in str(error.value)


def test_every_fault_is_reported_at_once(prompt_file: Path) -> None:
    prompt_file.write_text(HEAD + ONE.replace("short", "poetry") + TWO.replace("names", "prose"))
    with pytest.raises(ValueError, match=r"prompts\.0\.category.*prompts\.1\.category"):
        load_prompts(prompt_file)


def test_absent_file_names_the_parameter(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no prompt file there; evaluate\.prompts in params\.yaml"):
        load_prompts(tmp_path / "en.yaml")


def test_missing_lock_is_refused_with_the_command(prompt_file: Path) -> None:
    lock_path(prompt_file).unlink()
    with pytest.raises(ValueError, match=r"no lock for xx\.yaml; run `python -m metrics\.prompts lock .*xx\.yaml`"):
        load_prompts(prompt_file)


def test_damaged_lock_is_refused(prompt_file: Path) -> None:
    lock_path(prompt_file).write_text('{"format": 1}')
    with pytest.raises(ValueError, match=r"xx\.lock: not a lock of prompts.*python -m metrics\.prompts lock"):
        load_prompts(prompt_file)


@pytest.mark.parametrize("old_new", [("Hello", "Hullo"), ("two of you", "too of you"), ("a_1", "a_2"), (ONE, "")])
def test_changed_prompt_is_refused_until_locked_with_a_new_version(prompt_file: Path, old_new: tuple[str, str]) -> None:
    before = load_prompts(prompt_file).sha256
    changed = prompt_file.read_text().replace(*old_new)
    prompt_file.write_text(changed)
    with pytest.raises(ValueError, match=r"not the locked ones.*content_sha256.*python -m metrics\.prompts lock"):
        load_prompts(prompt_file)
    with pytest.raises(ValueError, match="set `version: 2` and lock again"):
        write_lock(prompt_file)
    prompt_file.write_text(changed.replace("version: 1", "version: 2"))
    write_lock(prompt_file)
    assert load_prompts(prompt_file).sha256 != before


def test_changed_comment_asks_for_a_lock_and_keeps_the_baseline(prompt_file: Path) -> None:
    before = load_prompts(prompt_file).sha256
    prompt_file.write_text("# a comment\n" + prompt_file.read_text())
    with pytest.raises(ValueError, match=r"as locked, but comments or layout changed; run `python -m metrics\.prompts"):
        load_prompts(prompt_file)
    write_lock(prompt_file)
    assert load_prompts(prompt_file).sha256 == before


def test_lock_is_atomic_and_repeatable(prompt_file: Path) -> None:
    before = lock_path(prompt_file).read_bytes()
    write_lock(prompt_file)
    assert lock_path(prompt_file).read_bytes() == before
    assert sorted(path.name for path in prompt_file.parent.iterdir()) == ["xx.lock", "xx.yaml"]


def test_command_locks_and_checks(prompt_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(prompt_file)]) == 0
    assert "2 prompts, version 1" in capsys.readouterr().out
    prompt_file.write_text(prompt_file.read_text().replace("Hello", "Hullo"))
    assert main(["check", str(prompt_file)]) == 1
    assert main(["lock", str(prompt_file)]) == 1
    assert "set `version: 2`" in capsys.readouterr().err


# the subset on which checkpoint pairs are compared


def test_subset_spreads_over_categories_and_grows() -> None:
    prompts = load_prompts(FILES[0]).prompts
    assert [prompt.category for prompt in selection_subset(prompts, 8)] == list(CATEGORIES)
    assert [prompt.id for prompt in selection_subset(prompts, 2)] == ["everyday_01", "numbers_and_dates_01"]
    for n in range(1, len(prompts)):
        assert selection_subset(prompts, n + 1)[:n] == selection_subset(prompts, n)
    assert set(selection_subset(prompts, len(prompts))) == set(prompts)


def test_subset_does_not_depend_on_the_order_of_the_file() -> None:
    prompts = load_prompts(FILES[0]).prompts
    assert selection_subset(prompts[::-1], 11) == selection_subset(prompts, 11)


@pytest.mark.parametrize("n", [0, -1, 3])
def test_subset_of_a_size_that_is_not_there_is_refused(prompt_file: Path, n: int) -> None:
    with pytest.raises(ValueError, match=f"{n} prompts asked for; there are 2"):
        selection_subset(load_prompts(prompt_file).prompts, n)
