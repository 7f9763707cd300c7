"""`vox say` in the languages and with the presets of a voice."""

from __future__ import annotations

import sys

import pytest
from project import run, vox

from flows.commands.say import say_text


def test_say_speaks_a_language_in_which_the_version_was_scored_by_its_code_or_alias(speaking):
    for code in ("zh", "CN"):
        output = speaking / f"{code}.wav"
        assert vox(speaking, "say", "anna", "你好。", "-o", str(output), "--language", code).returncode == 0
    assert (speaking / "zh.wav").read_bytes() == (speaking / "CN.wav").read_bytes()


@pytest.mark.parametrize(
    ("code", "message"),
    [("ja", "not scored in 'ja', only in en, zh"), ("Klingon", "unknown language 'Klingon'")],
)
def test_say_refuses_a_language_that_was_not_judged(speaking, code, message):
    output = speaking / "refused.wav"
    done = vox(speaking, "say", "anna", "hello", "-o", str(output), "--language", code)
    assert (done.returncode, done.stdout) == (2, "") and message in done.stderr
    assert not output.exists()


def test_say_speaks_with_a_preset_that_the_verdict_passed(speaking):
    for preset in ("narration", "dialogue"):
        done = vox(speaking, "say", "anna", "hello", "-o", str(speaking / f"{preset}.wav"), "--preset", preset)
        assert done.returncode == 0, done.stderr
    assert "with preset dialogue" in done.stdout
    assert (speaking / "narration.wav").read_bytes() != (speaking / "dialogue.wav").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["short"], 1, "not scored with the preset 'short', only with narration, dialogue"),
        (["dialogue", "--language", "zh"], 2, "the preset dialogue was scored in 'en' only"),
    ],
)
def test_say_refuses_a_preset_that_was_not_judged_or_not_in_the_language(speaking, arguments, code, message):
    output = speaking / "refused.wav"
    done = vox(speaking, "say", "anna", "hello", "-o", str(output), "--preset", *arguments)
    assert (done.returncode, done.stdout) == (code, "") and message in " ".join(done.stderr.split())
    assert not output.exists()


@pytest.mark.parametrize("missing", ["output", "subtitles"])
def test_say_refuses_a_folder_that_is_missing_before_it_speaks(tmp_path, missing):
    files = {"output": tmp_path / "a.wav", "subtitles": tmp_path / "a.srt"}
    files[missing] = tmp_path / "nowhere" / files[missing].name
    with pytest.raises(ValueError, match=r"the folder .* does not exist"):
        say_text("anna", "hello", version=None, seed=0, **files)


def test_say_names_a_file_that_does_not_fit_and_leaves_no_part_of_it(speaking, tmp_path):
    output, text = tmp_path / "hello.wav", "Hello there, who are you and where do you go? " * 24
    # blocks of 512 bytes, of every file that it writes: enough for a database, and as a full disk for the sound
    limited = ["sh", "-c", 'ulimit -f 128; exec "$@"', "sh", sys.executable, "-m", "flows.cli"]
    done = run([*limited, "say", "anna", text, "-o", str(output)], speaking, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"-o {output}: " in done.stderr and "bytes cannot be written (File too large)" in done.stderr
    assert not list(tmp_path.iterdir())


def test_say_refuses_a_folder_that_takes_no_file_before_it_speaks(speaking):
    done = vox(speaking, "say", "anna", "hello", "-o", "/proc/sys/hello.wav")
    assert (done.returncode, done.stdout) == (2, "")
    assert "-o /proc/sys/hello.wav: the folder /proc/sys cannot be written" in " ".join(done.stderr.split())
