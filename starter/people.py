"""Eight people whom the base never heard, each adapted as a user does it and scored before and after.

    python -m starter.people [--voices lj 1688 ...] [--work FOLDER] [--set KEY=VALUE ...] [--markdown FILE]

Each person has a project of his own in the work folder, with the product and the base of this checkout. There
`vox voice add` and `vox run --first-release` do their work with the settings of params.yaml. The clips of LibriSpeech
come without transcripts, so Whisper writes them. Then the base, with the same reference, says the same prompts.

A run takes about a quarter of an hour per person on two cores. What is done is kept, also by a stopped run, until the
base, the settings or the recordings change. pages/ in the work folder has a page to listen to for each person.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from gpt_sovits.determinism import deterministic
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_voice
from gpt_sovits.weights.base import STARTER, load_base
from gpt_sovits.weights.places import BASES_FOLDER
from metrics.judges.speaker import cosine
from metrics.prompt_sets import load_language
from metrics.scores import Scorecard, UtteranceScore, load_scorecard
from starter.listening import Sound, SpokenPrompt, load_sound, render_page
from starter.pack import hash_files
from starter.people_table import PEOPLE_HEAD, format_people
from starter.scoring import N_PROCESSES, Judges, load_judges
from starter.settings import HOME, shared_folder, stage_folder
from starter.store import SAMPLE_RATE, resample_16k
from starter.voices import HELD_OUT_PERSON, LJ

ROOT = HOME.parent
PRODUCT = ("flows", "stages", "campaigns", "serving", "registry", "metrics", "gpt_sovits", "benchmarks")
PRODUCT_FILES = ("dvc.yaml", "params.yaml", "requirements.lock", ".dvcignore", ".gitignore", ".dvc/config")
MEASURED = (0, 1, 3)  # exit codes of `vox run` with a verdict
# Variables that would lead a project to other modules or services than its own
FOREIGN = ("PYTHONPATH", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL", "VOXFOUNDRY_DATABASE_URI")
CONSENTS = {
    LJ: "LJSpeech: recordings of LibriVox by Linda Johnson, in the public domain. Research on synthesis is allowed.\n",
    "librispeech": "LibriSpeech: recordings of LibriVox, CC BY 4.0 (Panayotov et al. 2015). Research is allowed.\n",
}
N_HEARD_PROMPTS, N_HEARD_RECORDINGS = 8, 3  # on the page of a person


@dataclass(frozen=True)
class Person:
    """A person with recordings.

    Attributes:
        name: Of the person in this module.
        recordings: The audio files.
        transcripts: An LJSpeech table of their texts. None: they come without.
    """

    name: str
    recordings: tuple[Path, ...]
    transcripts: Path | None = None

    @property
    def voice(self) -> str:
        """Name of the voice. YAML would read one of digits alone as a number."""
        return f"reader_{self.name}" if self.name.isdigit() else self.name

    @property
    def minutes(self) -> float:
        """Length of the recordings."""
        return sum(soundfile.info(path).duration for path in self.recordings) / 60


def find_people(data: Path) -> dict[str, Person]:
    """Return the eight people by name.

    Args:
        data: The folder data/ of the shared folder.
    """
    speakers = data / "librispeech_speakers"
    people = [Person(LJ, tuple(sorted((data / "ljspeech" / "wavs").iterdir())), data / "ljspeech" / "metadata.csv")]
    people += [
        Person(folder.name, tuple(sorted(folder.glob("*.flac")))) for folder in sorted((speakers / "test").iterdir())
    ]
    people.append(Person(HELD_OUT_PERSON, tuple(sorted((speakers / "train").glob(f"{HELD_OUT_PERSON}-*.flac")))))
    return {person.name: person for person in people}


def signature(person: Person, settings: Sequence[str], base: Path) -> str:
    """Return a hash of what the result of a person depends on: the base, the settings and the recordings.

    Args:
        person: The person.
        settings: Changes of params.yaml.
        base: Folder of the base model.
    """
    files = [*person.recordings, *([person.transcripts] if person.transcripts else [])]
    content = {
        "base": hash_files(base),
        "params": sha256((ROOT / "params.yaml").read_bytes()).hexdigest(),
        "settings": list(settings),
        "recordings": {path.name: sha256(path.read_bytes()).hexdigest() for path in files},
    }
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def make_project(folder: Path, base: Path) -> None:
    """Make a git and DVC project with the product and a base, unless it is there.

    Args:
        folder: The project.
        base: Folder of the base model.
    """
    if (folder / ".git").is_dir():
        return
    unfinished = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in PRODUCT:
        shutil.copytree(ROOT / name, unfinished / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in PRODUCT_FILES:
        (unfinished / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, unfinished / name)
    shutil.copytree(base, unfinished / "base_models" / STARTER)
    identity = ("-c", "user.name=starter", "-c", "user.email=starter@example.org")
    for command in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "Start")):
        subprocess.run(["git", *command], cwd=unfinished, check=True)  # noqa: S607
    unfinished.replace(folder)


def vox(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `vox` with the code of a project."""
    kept = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(command, cwd=project, env={**kept, "PATH": path}, capture_output=True, text=True, check=False)


def adapt(person: Person, folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """Add a person to a project and run the pipeline.

    Args:
        person: The person.
        folder: Holds the project. It gets the recordings, the consent and run.log.
        settings: Changes of params.yaml.

    Returns:
        The JSON of `vox run`, or {"refused": its message}.
    """
    source, consent = folder / "recordings", folder / "consent.txt"
    source.mkdir(exist_ok=True)
    for path in (*person.recordings, *([person.transcripts] if person.transcripts else [])):
        shutil.copyfile(path, source / path.name)
    consent.write_text(CONSENTS.get(person.name, CONSENTS["librispeech"]), encoding="utf-8")
    terms = ("--language", "en", "--consent", str(consent), "--purpose", "research")
    added = vox(folder / "project", "voice", "add", person.voice, str(source), *terms)
    if added.returncode != 0:
        return {"refused": added.stderr.strip()}
    changes = [argument for one in (f"voices=[{person.voice}]", *settings) for argument in ("-S", one)]
    done = vox(folder / "project", "run", person.voice, "--first-release", "--no-prefect", "--json", *changes)
    (folder / "run.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    return json.loads(done.stdout) if done.returncode in MEASURED else {"refused": done.stderr.strip()}


def rates(rows: Sequence[UtteranceScore]) -> dict[str, float]:
    """Return the word error rates by both judges and the similarity of rows that both judges heard."""
    n_words = sum(row.n_words for row in rows) or float("nan")
    return {
        "wer": sum(row.word_errors for row in rows) / n_words,
        "wer_pocketsphinx": sum(row.second_word_errors for row in rows) / n_words,
        "similarity": float(np.mean([row.similarity or 0.0 for row in rows])) if rows else float("nan"),
    }


def adapted_figures(card: Scorecard) -> dict[str, Any]:
    """Return the figures of a scorecard that the table has. Rows that the second judge did not hear are left out."""
    heard = [row for row in card.rows if row.second_word_errors is not None]
    return {
        "after": rates(heard),
        "recordings": rates([row for row in card.held_out if row.second_word_errors is not None]),
        "others": card.similarity_floor.similarity,
        "interpolation_weight": card.pair.interpolation_weight,
        "n_failed": sum(bool(row.failures) for row in card.rows),
        "n_utterances": len(card.rows),
        "n_prompts": len(heard),
    }


def speak_before(project: Path, voice: str, card: Scorecard) -> dict[str, Sound]:
    """Let the base say the prompts of a scorecard with their first seed and the reference of the voice, by prompt."""
    adapted = load_voice(project / "data/6_scores" / voice / "voice")
    base = load_base(STARTER, project / "base_models")
    synthesizer = Synthesizer(base.build_gpt(), base.build_sovits(), adapted.references, adapted.preset)
    params = YAML(typ="safe").load((project / "params.yaml").read_text(encoding="utf-8"))
    prompts = load_language(project / params["evaluate"]["prompts"], card.language).prompts
    texts = {one.id: one.text for one in prompts}
    spoken = {}
    for row in card.rows:
        if row.second_word_errors is not None:
            speech = synthesizer.say(texts[row.prompt_id], row.seed)
            spoken[row.prompt_id] = Sound(speech.waveform, speech.sample_rate)
    return spoken


def before_figures(
    spoken: Mapping[str, Sound], card: Scorecard, centroid: np.ndarray, judges: Judges
) -> dict[str, float]:
    """Return the figures of the speech of the base.

    Args:
        spoken: The speech by prompt.
        card: Has what should be said.
        centroid: (D,) mean embedding of the person's training clips.
        judges: The judges.
    """
    texts = {row.prompt_id: row.reference for row in card.rows}
    waveforms = [resample_16k(one.waveform, one.sample_rate).astype(np.float32) / 32768 for one in spoken.values()]
    cosines = [_cosine(judges, waveform, centroid) for waveform in waveforms]
    return judges.word_error_rates(waveforms, [texts[name] for name in spoken]) | {
        "similarity": float(np.mean(cosines))
    }


def _cosine(judges: Judges, waveform: np.ndarray, centroid: np.ndarray) -> float:
    try:
        return cosine(judges.speaker.embed(waveform, SAMPLE_RATE), centroid)
    except ValueError:  # silence
        return 0.0


def write_page(path: Path, person: Person, project: Path, card: Scorecard, spoken: Mapping[str, Sound]) -> None:
    """Write the page on which the person is heard before and after the adaptation."""
    scores = project / "data/6_scores" / person.voice
    rows = {row.prompt_id: row for row in reversed(card.rows) if row.prompt_id in spoken}  # the first seed of each
    names = list(spoken)[:: max(1, len(spoken) // N_HEARD_PROMPTS)][:N_HEARD_PROMPTS]
    recordings = [load_sound(scores / row.audio) for row in card.held_out if row.audio][:N_HEARD_RECORDINGS]
    prompts = [
        SpokenPrompt(rows[name].reference, spoken[name], load_sound(scores / rows[name].audio)) for name in names
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    note = f"{person.minutes:.1f} minutes of recordings. The prompts were chosen by their place in the list."
    path.write_text(render_page(f"Voice {person.name}", note, recordings, prompts), encoding="utf-8")


def measure(person: Person, work: Path, settings: Sequence[str], judges: Callable[[], Judges]) -> dict[str, Any]:
    """Adapt a person and score him before and after.

    Args:
        person: The person.
        work: The work folder.
        settings: Changes of params.yaml.
        judges: Returns the judges, which only a person who is not done needs.

    Returns:
        A row of the table.
    """
    folder = work / person.name
    name, path = signature(person, settings, BASES_FOLDER / STARTER), folder / "result.json"
    state = folder / "signature"
    if state.is_file() and state.read_text(encoding="utf-8") == name:
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
    else:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    state.write_text(name, encoding="utf-8")
    project = folder / "project"
    make_project(project, BASES_FOLDER / STARTER)
    outcome = adapt(person, folder, settings)
    row: dict[str, Any] = {"name": person.name, "minutes": person.minutes, **outcome}
    if "refused" not in outcome:
        card = load_scorecard(project / "data/6_scores" / person.voice / "scorecard.json")
        centroid = load_file(project / "data/4_features" / person.voice / "speaker.safetensors")["centroid"]
        with deterministic(0, N_PROCESSES):
            spoken = speak_before(project, person.voice, card)
            row |= adapted_figures(card) | {"before": before_figures(spoken, card, centroid, judges())}
        write_page(work / "pages" / f"{person.name}.html", person, project, card, spoken)
        row |= {"page": f"pages/{person.name}.html", "report": os.path.relpath(outcome["report"], work)}
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the people on the command line and print the table, or write it to a file."""
    people = find_people(shared_folder() / "data")
    parser = argparse.ArgumentParser(prog="python -m starter.people", description=__doc__.splitlines()[0])
    parser.add_argument("--voices", nargs="+", choices=list(people), default=list(people), metavar="NAME")
    parser.add_argument("--work", type=Path, default=stage_folder("people"))
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings for `vox run -S`")
    parser.add_argument("--markdown", type=Path, help="file for the table")
    options = parser.parse_args(arguments)
    work, rows = options.work.absolute(), []
    with load_judges() as judges:
        for name in options.voices:
            print(f"people: {name}, {people[name].minutes:.1f} minutes", flush=True)
            rows.append(measure(people[name], work, options.set, lambda: judges))
            print(f"people: {name}: {rows[-1].get('outcome', 'refused')}", flush=True)
    table = format_people(rows)
    if options.markdown:
        options.markdown.write_text(PEOPLE_HEAD + table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
