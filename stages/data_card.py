"""Stage data_card: say what the recordings of a voice are worth, and what is worth recording next.

python -m stages.data_card --manifest data/1_manifests/V --clips data/2_clips/V --aligned data/3_aligned/V \
    --out data/3_data_cards/V
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.card.card import DataCard, card_json, make_card
from stages.card.facts.inputs import TableFolders, load_tables
from stages.card.pages.markdown import card_markdown
from stages.card.pages.page import render_card
from stages.execution.outputs import stage_output
from stages.execution.program import run_stage
from stages.params import Params, load_params
from stages.tables import csv_text, write_json

CLIP_COLUMNS = ("clip_id", "kept", "seconds", "phonemes_per_second", "cer", "doubt", "speaker_similarity", "snr_db")
SOUND_COLUMNS = ("kind", "sound", "clips", "prompts", "state")


def data_card(voice: str, folders: TableFolders, out_dir: Path, params: Params) -> DataCard:
    """Write card.html, card.md, figures.json, metrics.json, clips.csv and sounds.csv, and return the card.

    Args:
        voice: name of the voice.
        folders: the tables, those of segment and align where they exist.
        out_dir: an empty folder for the outputs.
        params: all of params.yaml.

    Raises:
        ValueError: ingest has not finished, or a table is broken.
    """
    card = make_card(load_tables(voice, folders), params)
    (out_dir / "card.html").write_text(render_card(card, folders), encoding="utf-8")
    (out_dir / "card.md").write_text(card_markdown(card), encoding="utf-8")
    write_json(out_dir / "figures.json", card_json(card))
    write_json(out_dir / "metrics.json", card.figures())
    (out_dir / "clips.csv").write_text(_csv(CLIP_COLUMNS, _clip_rows(card)), encoding="utf-8")
    (out_dir / "sounds.csv").write_text(_csv(SOUND_COLUMNS, _sound_rows(card)), encoding="utf-8")
    n_minutes, n_kept = card.minutes(), card.minutes("kept")
    print(f"data_card {voice}: {n_kept:.1f} of {n_minutes:.1f} minutes kept, {len(card.advice)} to do", flush=True)
    return card


def _clip_rows(card: DataCard) -> Iterable[dict[str, Any]]:
    for one in card.clips:
        rate, clip = one.phonemes_per_second, one.clip
        values = (
            clip.clip_id,
            clip.kept,
            clip.seconds,
            None if rate is None else round(rate, 3),
            clip.cer,
            one.doubt,
            clip.speaker_similarity,
            one.recording.snr_db,
        )
        yield dict(zip(CLIP_COLUMNS, values, strict=True))


def _sound_rows(card: DataCard) -> Iterable[dict[str, Any]]:
    for sound in card.sounds:
        values = (sound.kind, sound.name, sound.n, sound.n_prompts, sound.state)
        yield dict(zip(SOUND_COLUMNS, values, strict=True))


def _csv(columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> str:
    """Return rows as CSV, and the header alone where there are none."""
    rows = list(rows)
    return csv_text(rows) if rows else ",".join(columns) + "\n"


def main() -> None:
    """Run the stage with the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m stages.data_card", description="describe a voice's recordings")
    parser.add_argument("--manifest", type=Path, required=True, help="data/1_manifests/VOICE")
    parser.add_argument("--clips", type=Path, required=True, help="data/2_clips/VOICE")
    parser.add_argument("--aligned", type=Path, required=True, help="data/3_aligned/VOICE")
    parser.add_argument("--out", type=Path, required=True, help="data/3_data_cards/VOICE")
    arguments = parser.parse_args()
    folders = TableFolders(arguments.manifest, arguments.clips, arguments.aligned)
    voice = arguments.out.name
    with stage_output(arguments.out, "data_card", voice) as folder:
        data_card(voice, folders, folder, load_params())


if __name__ == "__main__":
    run_stage(main)
