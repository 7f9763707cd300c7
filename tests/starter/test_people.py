"""The people whom the base never heard: their projects, what is kept of a stopped run, and the table."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import pytest
import soundfile
from release_helpers import held_out, scorecard, utterance
from safetensors.numpy import save_file

from metrics.normalize import normalize_text
from starter import people, scoring
from starter.listening import Sound
from starter.people import Person, adapt, adapted_figures, find_people, main, make_project, measure, signature
from starter.people_table import format_people
from starter.scoring import Judges

REASONS = [
    {"text": "threshold missed: similarity", "rank": 2},
    {"text": "threshold met: word error rate", "rank": 8},
]
OUTCOME = {"voice": "reader_1688", "outcome": "fail", "reasons": REASONS, "report": ""}


class Here(Executor):
    """Runs jobs at once in this process."""

    def submit(self, work, *arguments):
        done = Future()
        done.set_result(work(*arguments))
        return done


class Ear:
    """A speaker judge to which everybody sounds alike."""

    name, version = "ear", "1"

    def embed(self, waveform, sample_rate):
        if not waveform.any():
            raise ValueError("silence")
        return np.array([1.0, 0.0], np.float32)


def audio(path: Path, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(round(seconds * 16000), 0.1, np.float32), 16000)
    return path


@pytest.fixture
def person(tmp_path) -> Person:
    return Person("1688", (audio(tmp_path / "a.flac", 3.0), audio(tmp_path / "b.flac", 3.0)))


@pytest.fixture
def base(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "bases" / "starter"
    folder.mkdir(parents=True)
    (folder / "weights").write_text("1", encoding="utf-8")
    monkeypatch.setattr(people, "BASES_FOLDER", folder.parent)
    return folder


def card():
    """A scorecard of two prompts with two seeds, of which the second judge heard the first, and of two recordings."""
    rows = [
        utterance(p, seed, p, **({"second_word_errors": 3} if seed == 0 else {"failures": ("cut_off",)}))
        for p in range(2)
        for seed in range(2)
    ]
    real = [one.model_copy(update={"second_word_errors": 1}) for one in held_out(2)]
    return scorecard(rows=rows, held_out=real)


def test_eight_people_are_found_and_their_voices_are_not_numbers(tmp_path):
    audio(tmp_path / "ljspeech/wavs/LJ001.flac")
    for name in range(1, 7):
        audio(tmp_path / f"librispeech_speakers/test/{name}/{name}-1.flac", 30.0)
        audio(tmp_path / f"librispeech_speakers/test/{name}/{name}-2.flac", 30.0)
    audio(tmp_path / "librispeech_speakers/train/198-1.flac")
    audio(tmp_path / "librispeech_speakers/train/1981-1.flac")
    found = find_people(tmp_path)
    assert list(found) == ["lj", "1", "2", "3", "4", "5", "6", "198"]
    assert found["lj"].voice == "lj" and found["lj"].transcripts is not None
    assert found["3"].voice == "reader_3" and found["3"].transcripts is None
    assert found["3"].minutes == pytest.approx(1.0)
    assert [path.name for path in found["198"].recordings] == ["198-1.flac"]


def test_a_result_depends_on_base_settings_and_recordings(person, base):
    first = signature(person, [], base)
    assert signature(person, [], base) == first
    assert signature(person, ["adapt_sovits.n_epochs=3"], base) != first
    (base / "weights").write_text("2", encoding="utf-8")
    second = signature(person, [], base)
    assert second != first
    audio(person.recordings[0], 4.0)
    assert signature(person, [], base) != second


def test_a_project_is_committed_and_holds_the_product_and_the_base(base, tmp_path):
    project = tmp_path / "project"
    make_project(project, base)
    assert (project / "base_models/starter/weights").read_text(encoding="utf-8") == "1"
    assert (project / "flows/cli.py").is_file() and (project / "dvc.yaml").is_file()
    log = subprocess.run(["git", "log", "--oneline"], cwd=project, capture_output=True, text=True, check=True)
    assert len(log.stdout.splitlines()) == 1
    (project / "mine").touch()
    make_project(project, base)
    assert (project / "mine").exists()


def _answers(monkeypatch, *answers):
    commands = []

    def vox(project, *arguments):
        commands.append(arguments)
        code, out, error = answers[len(commands) - 1]
        return subprocess.CompletedProcess(arguments, code, out, error)

    monkeypatch.setattr(people, "vox", vox)
    return commands


def test_a_person_is_added_and_run_as_a_user_does_it(person, tmp_path, monkeypatch):
    commands = _answers(monkeypatch, (0, "", ""), (1, json.dumps(OUTCOME), ""))
    assert adapt(person, tmp_path, ["adapt_sovits.n_epochs=3"]) == OUTCOME
    assert commands[0][:3] == ("voice", "add", "reader_1688")
    assert commands[1][:3] == ("run", "reader_1688", "--first-release")
    assert commands[1][-4:] == ("-S", "voices=[reader_1688]", "-S", "adapt_sovits.n_epochs=3")
    assert sorted(path.name for path in (tmp_path / "recordings").iterdir()) == ["a.flac", "b.flac"]


@pytest.mark.parametrize("answers", [[(2, "", "too short\n")], [(0, "", ""), (2, "", "too short\n")]])
def test_a_refusal_is_kept_in_its_own_words(answers, person, tmp_path, monkeypatch):
    _answers(monkeypatch, *answers)
    assert adapt(person, tmp_path, []) == {"refused": "too short"}


def test_only_what_both_judges_heard_is_compared():
    figures = adapted_figures(card())
    assert figures["after"] == {"wer": 0.05, "wer_pocketsphinx": 0.3, "similarity": 0.8}
    assert figures["recordings"] == {"wer": 0.0, "wer_pocketsphinx": 0.1, "similarity": 0.9}
    assert (figures["n_failed"], figures["n_utterances"], figures["n_prompts"]) == (2, 4, 2)


@pytest.fixture
def pipeline(monkeypatch, base) -> list[str]:
    """Stands for the pipeline: writes a scorecard at once. Returns who was adapted."""
    adapted = []

    def fake_adapt(person, folder, settings):
        adapted.append(person.name)
        scores = folder / "project/data/6_scores" / person.voice
        scores.mkdir(parents=True)
        (scores / "scorecard.json").write_text(card().model_dump_json(), encoding="utf-8")
        for row in card().rows:
            audio(scores / row.audio)
        features = folder / "project/data/4_features" / person.voice
        features.mkdir(parents=True)
        save_file({"centroid": np.array([1.0, 0.0], np.float32)}, features / "speaker.safetensors")
        return OUTCOME | {"report": str(folder / "report.html")}

    sounds = {f"p{p:03d}": Sound(np.full(16000, 0.1, np.float32), 16000) for p in range(2)}
    monkeypatch.setattr(people, "adapt", fake_adapt)
    monkeypatch.setattr(people, "make_project", lambda folder, base: None)
    monkeypatch.setattr(people, "speak_before", lambda project, voice, card: sounds)
    monkeypatch.setattr(
        scoring, "transcribe", lambda job: normalize_text("one two three four five six seven eight nine ten")
    )
    return adapted


def test_a_person_who_is_done_is_not_run_again_until_something_changes(person, base, pipeline, tmp_path):
    def judges():
        return Judges(Here(), Ear())

    work = tmp_path / "work"
    row = measure(person, work, [], judges)
    assert row["before"] == {"wer": 0.0, "wer_pocketsphinx": 0.0, "similarity": 1.0}
    assert row["after"]["wer"] == 0.05 and row["outcome"] == "fail"
    assert (work / row["page"]).read_text(encoding="utf-8").count("<audio") == 4  # two prompts, before and after
    assert measure(person, work, [], judges) == row
    assert pipeline == ["1688"]
    measure(person, work, ["seed=2"], judges)
    assert pipeline == ["1688", "1688"]


def _row(name: str, **changes):
    figures = {"wer": 0.2, "wer_pocketsphinx": 0.3, "similarity": 0.4}
    after, recordings = {**figures, "similarity": 0.8}, {**figures, "similarity": 0.9}
    row = {"name": name, "minutes": 1.1, "before": figures, "after": after, "recordings": recordings, "others": 0.1}
    row |= {"n_failed": 1, "n_utterances": 300, "page": f"pages/{name}.html", "report": f"{name}/report.html"}
    return row | {"outcome": "pass", "reasons": []} | changes


def test_the_table_shows_before_after_floor_and_ceiling_and_why_a_voice_did_not_pass():
    refused = {"name": "198", "minutes": 0.3, "refused": "every clip is too short"}
    table = format_people([_row("lj"), _row("1688", outcome="fail", reasons=REASONS, others=0.3), refused])
    lines = table.splitlines()
    assert lines[2] == (
        "| [lj](pages/lj.html) | 1.1 | 0.200 to 0.200 (0.200) | 0.300 to 0.300 (0.300) | "
        "0.100, 0.400 to 0.800 (0.900) | 1 of 300 | [pass](lj/report.html) |"
    )
    assert lines[4] == "| 198 | 0.3 | - | - | - | - | refused |"
    assert lines[5].startswith("| mean of 2 | 1.1 |")
    assert "0.200, 0.400 to 0.800 (0.900) | 2 of 600 | 1 of 2 pass |" in lines[5]
    assert lines[7:] == [
        "- 1688: threshold missed: similarity",
        "- 198: the pipeline refused the recordings: every clip is too short",
    ]


def test_an_unknown_person_is_refused_and_the_known_ones_are_listed(tmp_path, monkeypatch, capsys, person):
    monkeypatch.setattr(people, "shared_folder", lambda: tmp_path)
    monkeypatch.setattr(people, "find_people", lambda data: {"1688": person})
    with pytest.raises(SystemExit):
        main(["--voices", "nobody"])
    assert "1688" in capsys.readouterr().err
