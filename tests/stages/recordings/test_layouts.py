"""A transcript that the user gave is used, or the run stops and says why: seventy layouts, each through ingest."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import soundfile
from ruamel.yaml import YAML
from transcript_layouts import NAMES, READ, REFUSED, TEXTS

from stages.ingest import ingest
from stages.params import load_params
from stages.tables import Recording, Reject, read_table

ROOT = Path(__file__).resolve().parents[3]
CONSENT = {
    "speaker": "noise",
    "kind": "synthetic",
    "purposes": ["testing"],
    "scope": {"languages": None, "territories": None, "commercial": False},
    "granted_on": date(2026, 1, 1),
    "valid_until": None,
    "evidence": None,
    "evidence_sha256": None,
    "revoked_on": None,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A voice with three recordings of noise and without transcripts."""
    folder = tmp_path / "anna"
    folder.mkdir()
    with (folder / "voice.yaml").open("w") as file:
        YAML().dump({"name": "anna", "language": "en", "consent": CONSENT}, file)
    generator = np.random.default_rng(0)
    for name in NAMES:
        soundfile.write(folder / f"{name}.wav", 0.1 * generator.normal(size=16000), 16000, format="WAV")
    return folder


def run(folder: Path) -> tuple[dict[str, str | None], list[Reject]]:
    """Return the transcripts by recording, and the rejects."""
    out = folder.parent / "out"
    out.mkdir()
    ingest(folder, out, load_params(ROOT / "params.yaml").ingest, date(2026, 6, 1))
    recordings = {row.path: row.transcript for row in read_table(out / "recordings.jsonl", Recording)}
    return recordings, read_table(out / "rejects.jsonl", Reject)


@pytest.mark.parametrize("layout", READ)
def test_layout_is_read(folder: Path, layout: str, capsys: pytest.CaptureFixture[str]) -> None:
    READ[layout](folder)
    recordings, rejects = run(folder)
    assert [row for row in rejects if row.path != "README.txt"] == []
    said = [(text or "").replace("\u201c", '"') for text in recordings.values()]
    assert said == list(TEXTS)
    assert re.search(r"3 of 3 recordings have a transcript, from .*\(\S+\)", capsys.readouterr().out)


@pytest.mark.parametrize("layout", REFUSED)
def test_layout_stops_the_run_with_one_sentence(folder: Path, layout: str) -> None:
    make, message = REFUSED[layout]
    make(folder)
    with pytest.raises(ValueError, match=message) as caught:
        run(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not list((folder.parent / "out").iterdir())


def test_recordings_without_any_transcript_get_the_recognisers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings, rejects = run(folder)
    assert (set(recordings.values()), rejects) == ({None}, [])
    assert "none of 3 recordings has a transcript, so the recogniser's text will be used" in capsys.readouterr().out
