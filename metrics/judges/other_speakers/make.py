"""Makes a table of other speakers: `python -m metrics.judges.other_speakers.make --shared DIR [--judge ecapa_small]`.

DIR holds data/librispeech_speakers. The table has one clip of each speaker that ecapa_small was not trained on: the
held-out training speakers, whose clips were watched but not learnt, and the speakers of the test set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from metrics.judges.ecapa_small.config import HERE, load_config
from metrics.judges.ecapa_small.data import TEST_FOLDER, read_mono, train_files
from metrics.judges.ecapa_small.files import write_atomic
from metrics.judges.other_speakers.table import TABLES, OtherSpeakers
from metrics.judges.speaker import SPEAKER_JUDGES, SpeakerJudge, load_speaker_judge
from metrics.judges.speaker_input import SAMPLE_RATE

SOURCE = "{n} readers of LibriSpeech (English, openslr.org/12, CC BY 4.0), one clip each"


def speaker_files(shared: Path) -> dict[str, Path]:
    """Return one clip per speaker, by the speaker's number.

    Raises:
        FileNotFoundError: the folder has no clips.
    """
    held_out = train_files(shared)[:: load_config(HERE).training.validation_every_nth_speaker]
    files = {path.stem.split("-")[0]: path for path in held_out}
    for folder in sorted((shared / TEST_FOLDER).iterdir()):
        files[folder.name] = min(folder.glob("*.flac"))
    return files


def make_table(judge: SpeakerJudge, files: dict[str, Path]) -> OtherSpeakers:
    """Embed every file with the judge, on one thread, because sums depend on the number of threads."""
    torch.set_num_threads(1)
    embeddings = [judge.embed(read_mono(path, SAMPLE_RATE), SAMPLE_RATE) for path in files.values()]
    return OtherSpeakers(
        judge=judge.name,
        judge_version=judge.version,
        source=SOURCE.format(n=len(files)),
        speakers=tuple(files),
        embeddings=tuple(tuple(round(float(x), 6) for x in row) for row in embeddings),
    )


def main(arguments: list[str] | None = None) -> None:
    """Make the table that the command line names."""
    parser = argparse.ArgumentParser(description="Make the table of other speakers for a speaker judge.")
    parser.add_argument("--shared", type=Path, required=True, help="folder that holds data/librispeech_speakers")
    parser.add_argument("--judge", choices=tuple(SPEAKER_JUDGES), default="ecapa_small")
    parser.add_argument("--weights", type=Path, help="folder of the judge's weights, see metrics/judges/speaker.py")
    parser.add_argument("--out", type=Path, default=TABLES, help="folder for the table")
    options = parser.parse_args(arguments)
    table = make_table(load_speaker_judge(options.judge, options.weights), speaker_files(options.shared))
    path = options.out / f"{options.judge}.json"
    write_atomic(table.model_dump_json(indent=None) + "\n", path)
    print(f"{path}: {table.source}, embedded by {table.judge} {table.judge_version}")


if __name__ == "__main__":
    main()
