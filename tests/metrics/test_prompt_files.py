"""Prompt files and their locks: what is refused, and what counts as a change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prompt_helpers import HEAD, ONE, TWO

from metrics.prompts import content_sha256, load_prompts, lock_path, main, write_lock


def test_loaded_prompts_are_the_files(prompt_file: Path) -> None:
    found = load_prompts(prompt_file)
    assert (found.language, found.version, found.seeds) == ("en", 1, (0, 2))
    assert [prompt.id for prompt in found.prompts] == ["a_1", "b_1"]
    assert found.sha256 == json.loads(lock_path(prompt_file).read_text())["content_sha256"]


def test_content_hash_ignores_order_and_sees_every_field_and_the_seeds(prompt_file: Path) -> None:
    prompts = load_prompts(prompt_file).prompts
    same = content_sha256("en", (0, 1), prompts)
    assert content_sha256("en", (0, 1), prompts[::-1]) == same
    changed = {same, content_sha256("zh", (0, 1), prompts), content_sha256("en", (0, 1), prompts[:1])}
    changed |= {content_sha256("en", (0,), prompts), content_sha256("en", (0, 2), prompts)}
    for name, value in (("id", "c_1"), ("category", "long"), ("text", "Hi."), ("normalized", "hi")):
        changed.add(content_sha256("en", (0, 1), [prompts[0].model_copy(update={name: value}), prompts[1]]))
    assert len(changed) == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + ONE.replace("text:", "note: x, text:"), r"prompts\.0\.note: Extra inputs"),
        (HEAD.replace("version", "author: x\nversion") + ONE, "author: Extra inputs"),
        (HEAD + ONE + ONE.replace("Hello", "Hi"), "id 'a_1' is there more than once"),
        (HEAD + ONE + ONE.replace("a_1", "c_1"), "text 'Hello there, 2 of you.' is there more than once"),
        (HEAD + ONE.replace("short", "poetry"), r"unknown category 'poetry'; one of everyday, .*domain_terms, custom"),
        (HEAD + ONE.replace("short", "custom"), "category of a_1: in this file it must not be 'custom'"),
        (HEAD.replace("seeds: [0, 2]\n", "") + ONE, "seeds: Field required"),
        (HEAD.replace("[0, 2]", "[]") + ONE, "seeds: List should have at least 1 item"),
        (HEAD.replace("[0, 2]", "[2, 2]") + ONE, r"seeds: \[2, 2\] must be different and not negative"),
        (HEAD.replace("[0, 2]", "[-1]") + ONE, r"seeds: \[-1\] must be different and not negative"),
        (
            HEAD.replace("language: en", "language: jp") + ONE,
            "language: unknown language 'jp'; one of en, zh, yue, ja, ko",
        ),
        (
            HEAD + ONE.replace("two of you", "2 of you"),
            "lower-case words with one space between them, and numbers written out",
        ),
        (HEAD + ONE.replace("hello", "Hello"), "lower-case words"),
        (HEAD + ONE.replace('"Hello there, 2 of you."', '""'), "text: String should have at least 1 character"),
        (
            HEAD + ONE.replace("Hello there, 2 of you.", "Mm-hmm."),
            r"text of a_1: 'Mm-hmm\.' has no words after normalisation.*write words that are scored, or remove",
        ),
        (HEAD + ONE.replace("hello there two of you", "uh um"), "normalized of a_1: 'uh um' has no words after"),
        (
            HEAD.replace("language: en", "language: zh") + ONE.replace("Hello there, 2 of you.", "……"),
            "text of a_1: '……'",
        ),
        (HEAD + ONE.replace("a_1", "../a"), r"prompts\.0\.id: "),
        (HEAD.replace("prompts:\n", "prompts: []\n"), "prompts: List should have at least 1 item"),
        (HEAD.replace("format: 1", "format: 2") + ONE, "format: Input should be 1"),
        ("", "the file: Input should be"),
        ("prompts: [", "not valid YAML"),
        (HEAD + ONE.replace("category: short", "category: short, category: names"), "not valid YAML"),
    ],
)
def test_malformed_file_is_refused_with_place_and_reason(prompt_file: Path, text: str, message: str) -> None:
    prompt_file.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        load_prompts(prompt_file)
    assert str(prompt_file) in str(error.value)


def test_a_prompt_without_words_is_refused_before_it_is_locked(prompt_file: Path) -> None:
    before = lock_path(prompt_file).read_bytes()
    prompt_file.write_text(HEAD + ONE.replace("Hello there, 2 of you.", "Mm-hmm."))
    with pytest.raises(ValueError, match=r"text of a_1: 'Mm-hmm\.' has no words after normalisation"):
        write_lock(prompt_file)
    assert lock_path(prompt_file).read_bytes() == before


def test_every_fault_is_reported_at_once(prompt_file: Path) -> None:
    prompt_file.write_text(HEAD + ONE.replace("short", "poetry") + TWO.replace("names", "prose"))
    with pytest.raises(ValueError, match=r"prompts\.0\.category.*prompts\.1\.category"):
        load_prompts(prompt_file)


def test_absent_file_names_the_parameter(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no prompt file; it is named by evaluate\.prompts in params\.yaml"):
        load_prompts(tmp_path / "en.yaml")


def test_missing_lock_is_refused_with_the_command(prompt_file: Path) -> None:
    lock_path(prompt_file).unlink()
    with pytest.raises(
        ValueError, match=r"there is no lock for xx\.yaml; run `python -m metrics\.prompts lock .*xx\.yaml`"
    ):
        load_prompts(prompt_file)


def test_damaged_lock_is_refused(prompt_file: Path) -> None:
    lock_path(prompt_file).write_text('{"format": 1}')
    with pytest.raises(ValueError, match=r"xx\.lock: not a lock of prompts.*python -m metrics\.prompts lock"):
        load_prompts(prompt_file)


@pytest.mark.parametrize(
    "old_new", [("Hello", "Hullo"), ("two of you", "too of you"), ("a_1", "a_2"), (ONE, ""), ("0, 2", "0")]
)
def test_changed_prompt_is_refused_until_locked_with_a_new_version(prompt_file: Path, old_new: tuple[str, str]) -> None:
    before = load_prompts(prompt_file).sha256
    changed = prompt_file.read_text().replace(*old_new)
    prompt_file.write_text(changed)
    with pytest.raises(
        ValueError, match=r"differ from the locked ones.*content_sha256.*python -m metrics\.prompts lock"
    ):
        load_prompts(prompt_file)
    with pytest.raises(ValueError, match="set `version: 2` and lock again"):
        write_lock(prompt_file)
    prompt_file.write_text(changed.replace("version: 1", "version: 2"))
    write_lock(prompt_file)
    assert load_prompts(prompt_file).sha256 != before


def test_changed_comment_requires_a_lock_and_keeps_the_baseline(prompt_file: Path) -> None:
    before = load_prompts(prompt_file).sha256
    prompt_file.write_text("# a comment\n" + prompt_file.read_text())
    with pytest.raises(
        ValueError, match=r"the locked ones, but comments or layout changed; run `python -m metrics\.prompts"
    ):
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
