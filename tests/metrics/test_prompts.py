"""The fixed prompts of the repository, and the loader that keeps them from changing unnoticed."""

from __future__ import annotations

import csv
import json
import re
import textwrap
from pathlib import Path

import pocketsphinx
import pytest

from gpt_sovits.text import symbols
from gpt_sovits.text.frontend import phonemize
from metrics.normalize import LANGUAGES, normalize_text
from metrics.prompts import (
    CATEGORIES,
    CUSTOM,
    PromptSet,
    content_sha256,
    custom_files,
    load_prompts,
    lock_path,
    main,
    selection_subset,
    write_lock,
)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "prompts"
ENGLISH = FOLDER / "en.yaml"
LEAST = {"en": 100, "zh": 40, "yue": 40, "ja": 40, "ko": 40}
HEAD = "format: 1\nlanguage: en\nversion: 1\nseeds: [0, 2]\nprompts:\n"
ONE = '  - {id: a_1, category: short, text: "Hello there, 2 of you.", normalized: hello there two of you}\n'
TWO = '  - {id: b_1, category: names, text: "Good evening, Anna.", normalized: good evening anna}\n'
OWN = (
    "format: 1\nlanguage: en\nversion: 1\nprompts:\n"
    '  - {id: own_1, category: custom, text: "Order 12 has left.", normalized: order twelve has left}\n'
)


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


@pytest.fixture(scope="module", params=sorted(LEAST))
def fixed(request: pytest.FixtureRequest) -> PromptSet:
    """The committed prompts of a language, without what a user may have added."""
    found = load_prompts(FOLDER / f"{request.param}.yaml")
    return found.model_copy(update={"prompts": tuple(p for p in found.prompts if p.category != CUSTOM)})


def test_every_language_that_can_be_scored_has_a_prompt_file() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(LEAST) == sorted(LANGUAGES)


def test_every_file_of_the_folder_is_locked(capsys: pytest.CaptureFixture[str]) -> None:
    files = [*FOLDER.glob("*.yaml"), *custom_files(ENGLISH)]
    assert main(["check", *map(str, files)]) == 0, capsys.readouterr().err


def test_committed_prompts_are_enough_and_spread_over_the_categories(fixed: PromptSet) -> None:
    assert len(fixed.prompts) >= LEAST[fixed.language]
    least = 12 if fixed.language == "en" else 5
    for category in set(CATEGORIES) - {CUSTOM}:
        assert sum(prompt.category == category for prompt in fixed.prompts) >= least, category


def test_committed_prompts_are_spoken_with_three_seeds(fixed: PromptSet) -> None:
    assert fixed.seeds == (0, 1, 2)


def test_text_and_spoken_words_normalise_to_the_same(fixed: PromptSet) -> None:
    both = {p.id: [normalize_text(text, fixed.language) for text in (p.text, p.normalized)] for p in fixed.prompts}
    assert {id_: pair for id_, pair in both.items() if pair[0] != pair[1] or not pair[1]} == {}


def test_what_the_front_end_reads_is_what_a_listener_writes(fixed: PromptSet) -> None:
    """A prompt whose numbers or signs the model misreads would fail every voice, whatever the voice."""

    def said(text: str) -> str:
        read = phonemize(text, fixed.language)
        if fixed.language == "ja":  # Open JTalk keeps digits in its text and reads them by itself
            return " ".join(symbol for symbol in read.symbols if symbol.isalpha() and symbol != "UNK")
        if fixed.language == "en":  # 216 with and without its "and"
            return normalize_text(read.normalized_text)
        return _letters(read.normalized_text)

    both = {prompt.id: (said(prompt.text), said(prompt.normalized)) for prompt in fixed.prompts}
    assert {id_: pair for id_, pair in both.items() if pair[0] != pair[1]} == {}


# all sounds of a language, with stress or tone, and the share of them that its prompts have, measured and rounded down
SOUNDS = {
    "en": (set(symbols.ENGLISH) - set(symbols.ENGLISH_STRESSLESS), 0.91),
    "zh": (set(symbols.MANDARIN), 0.78),
    "yue": ({f"Y{s}" for s in symbols.CANTONESE_INITIALS}
            | {f"Y{rhyme}{tone}" for rhyme in symbols.CANTONESE_RHYMES for tone in "123456"}, 0.55),
    "ja": (set(symbols.JAPANESE + symbols.JAPANESE_PITCH) - set("IU"), 1.0),  # I, U: the front end does not devoice
    "ko": (set(symbols.KOREAN) - set("空停"), 1.0),
}  # fmt: skip


def test_prompts_have_every_sound_and_most_stresses_and_tones(fixed: PromptSet) -> None:
    sounds, least = SOUNDS[fixed.language]
    spoken = {symbol for prompt in fixed.prompts for symbol in phonemize(prompt.text, fixed.language).symbols}

    def bare(some: set[str]) -> set[str]:
        return {re.sub("(?<!^i)[0-6]$", "", symbol) for symbol in some}

    assert bare(sounds) - bare(spoken) == set()
    assert len(sounds & spoken) / len(sounds) >= least


def test_english_prompts_are_ascii_and_speakable() -> None:
    for prompt in load_prompts(ENGLISH).prompts:
        assert prompt.text.isascii() and prompt.text[-1] in ".?!", prompt.id
        seconds = len(prompt.normalized) / 14  # about 14 characters a second are read aloud in English
        assert 0.9 <= seconds <= 15, prompt.id


def test_words_are_in_the_offline_judges_dictionary() -> None:
    lines = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8").splitlines()
    known = {line.split()[0] for line in lines}
    words = {word for prompt in load_prompts(ENGLISH).prompts for word in prompt.normalized.split()}
    assert words - known == set()


def test_no_prompt_is_a_sentence_of_the_sample_voice() -> None:
    metadata = ROOT / "data" / "1_recordings" / "sample" / "metadata.csv"
    with metadata.open(encoding="utf-8", newline="") as file:
        recorded = {_letters(row[-1]) for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)}
    for prompt in load_prompts(ENGLISH).prompts:
        for sentence in recorded:
            assert _letters(prompt.text) not in sentence and sentence not in _letters(prompt.text), prompt.id


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalpha())


# the loader


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
        (HEAD + ONE.replace("short", "custom"), "category of a_1: in this file it is any but 'custom'"),
        (HEAD.replace("seeds: [0, 2]\n", "") + ONE, "seeds: Field required"),
        (HEAD.replace("[0, 2]", "[]") + ONE, "seeds: List should have at least 1 item"),
        (HEAD.replace("[0, 2]", "[2, 2]") + ONE, r"seeds: \[2, 2\] must be different and not negative"),
        (HEAD.replace("[0, 2]", "[-1]") + ONE, r"seeds: \[-1\] must be different and not negative"),
        (
            HEAD.replace("language: en", "language: jp") + ONE,
            "language: unknown language 'jp'; one of en, zh, yue, ja, ko",
        ),
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


@pytest.mark.parametrize(
    "old_new", [("Hello", "Hullo"), ("two of you", "too of you"), ("a_1", "a_2"), (ONE, ""), ("0, 2", "0")]
)
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


# the user's own prompts


@pytest.fixture
def own_file(prompt_file: Path) -> Path:
    path = prompt_file.parent / CUSTOM / "orders.yaml"
    path.parent.mkdir()
    path.write_text(OWN)
    write_lock(path)
    return path


def test_own_prompts_are_asked_behind_the_fixed_ones_with_their_seeds(prompt_file: Path, own_file: Path) -> None:
    found = load_prompts(prompt_file)
    assert [(prompt.id, prompt.category) for prompt in found.prompts][2:] == [("own_1", CUSTOM)]
    assert found.seeds == (0, 2)


def test_a_new_changed_or_removed_own_prompt_is_another_set(prompt_file: Path, own_file: Path) -> None:
    hashes = {load_prompts(prompt_file).sha256}
    relock(own_file, OWN.replace("12", "13").replace("twelve", "thirteen"))
    hashes.add(load_prompts(prompt_file).sha256)
    own_file.unlink()
    without = load_prompts(prompt_file).sha256
    assert without == json.loads(lock_path(prompt_file).read_text())["content_sha256"]
    assert len({*hashes, without}) == 3


def test_own_prompts_of_another_language_are_not_asked_but_checked(prompt_file: Path, own_file: Path) -> None:
    before = load_prompts(prompt_file).sha256
    other = own_file.with_name("korean.yaml")
    relock(other, OWN.replace("language: en", "language: ko"))
    assert load_prompts(prompt_file).sha256 == before
    other.write_text(OWN)
    with pytest.raises(ValueError, match=r"korean\.yaml: the prompts are not the locked ones"):
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
def test_own_prompt_that_is_in_the_set_already_is_refused(
    prompt_file: Path, own_file: Path, old: str, new: str, message: str
) -> None:
    relock(own_file, OWN.replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_prompts(prompt_file)


def test_two_own_files_with_one_id_are_refused(prompt_file: Path, own_file: Path) -> None:
    relock(own_file.with_name("terms.yaml"), OWN.replace("Order 12 has left.", "Another text."))
    with pytest.raises(ValueError, match=r"terms\.yaml: id 'own_1' is there more than once, first in .*orders\.yaml"):
        load_prompts(prompt_file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OWN.replace("category: custom", "category: names"), "category of own_1: in this file it is 'custom'"),
        (OWN.replace("version: 1", "version: 1\nseeds: [0]"), "seeds: Extra inputs"),
        (OWN.replace("language: en", "language: eng"), "unknown language 'eng'"),
    ],
)
def test_malformed_own_file_is_refused(prompt_file: Path, own_file: Path, text: str, message: str) -> None:
    own_file.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        load_prompts(prompt_file)
    assert str(own_file) in str(error.value)


def test_own_file_without_or_with_another_lock_is_refused(prompt_file: Path, own_file: Path) -> None:
    own_file.write_text(OWN.replace("12", "14"))
    with pytest.raises(ValueError, match=r"orders\.yaml: the prompts are not the locked ones"):
        load_prompts(prompt_file)
    lock_path(own_file).unlink()
    with pytest.raises(
        ValueError, match=r"no lock for orders\.yaml; run `python -m metrics\.prompts lock .*orders\.yaml`"
    ):
        load_prompts(prompt_file)


@pytest.mark.parametrize("name", ["terms.yml", "terms.json", "more/terms.yaml"])
def test_what_would_be_overlooked_is_refused(prompt_file: Path, own_file: Path, name: str) -> None:
    place = own_file.parent / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(OWN)
    with pytest.raises(ValueError, match=r"would not be read; own prompts are files custom/NAME\.yaml"):
        load_prompts(prompt_file)


def test_notes_beside_own_prompts_change_nothing(prompt_file: Path, own_file: Path) -> None:
    before = load_prompts(prompt_file)
    own_file.with_name("README.md").write_text("notes")
    own_file.with_name(".orders.yaml.swp").write_text("an editor's")
    assert load_prompts(prompt_file) == before


def test_an_own_file_alone_is_no_set(own_file: Path) -> None:
    with pytest.raises(ValueError, match="a file of own prompts is no set"):
        load_prompts(own_file)


def test_the_documented_example_can_be_locked_and_asked(prompt_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (FOLDER / CUSTOM / "README.md").read_text(encoding="utf-8")
    name, example = re.search(r"(?m)^    # custom/(\w+\.yaml)\n((?:    .*\n)+)", text).groups()
    path = prompt_file.parent / CUSTOM / name
    path.parent.mkdir()
    path.write_text(textwrap.dedent(example))
    assert main(["lock", str(path), str(prompt_file)]) == 0
    assert "the set has 3 prompts x 2 seeds" in capsys.readouterr().out
    prompt = load_prompts(prompt_file).prompts[-1]
    assert normalize_text(prompt.text) == normalize_text(prompt.normalized)


# the subset on which checkpoint pairs are compared


def test_subset_spreads_over_categories_and_grows() -> None:
    prompts = load_prompts(ENGLISH).prompts
    assert [prompt.category for prompt in selection_subset(prompts, 8)] == list(CATEGORIES[:8])
    assert [prompt.id for prompt in selection_subset(prompts, 2)] == ["everyday_01", "numbers_and_dates_01"]
    for n in range(1, len(prompts)):
        assert selection_subset(prompts, n + 1)[:n] == selection_subset(prompts, n)
    assert set(selection_subset(prompts, len(prompts))) == set(prompts)


def test_subset_does_not_depend_on_the_order_of_the_file() -> None:
    prompts = load_prompts(ENGLISH).prompts
    assert selection_subset(prompts[::-1], 11) == selection_subset(prompts, 11)


@pytest.mark.parametrize("n", [0, -1, 3])
def test_subset_of_a_size_that_is_not_there_is_refused(prompt_file: Path, n: int) -> None:
    with pytest.raises(ValueError, match=f"{n} prompts asked for; there are 2"):
        selection_subset(load_prompts(prompt_file).prompts, n)
