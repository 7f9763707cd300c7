"""The links from the recordings to the scores, as DVC recorded them when the version was registered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.paths import recordings_dir
from flows.proof.commit import GitError, hash_committed, why_not_checked_out
from flows.proof.data import FOLDER, DataFinder, Found, Missing, hash_tree
from registry.candidates.candidate import SCORECARD, Candidate
from registry.candidates.fingerprint import hash_candidate
from registry.files import file_sha256
from registry.proof.links import Link, broken, unchecked
from stages.used_settings import find_other_settings

# What each stage's link is called, in the order in which a voice is made
CHAIN = {
    "ingest": "manifest",
    "segment": "clips",
    "align": "texts",
    "features": "features",
    "adapt_sovits": "checkpoints (SoVITS)",
    "adapt_gpt": "checkpoints (GPT)",
    "evaluate": "scores",
}
MANIFEST = "recordings.jsonl"
VOICE = "voice"  # the output of evaluate that is registered


@dataclass(frozen=True)
class Origin:
    """What DVC recorded about the stages of a version.

    Attributes:
        candidate: The version.
        stages: The entry in dvc.lock of each stage, by its name without the voice.
        current: The same from dvc.lock as it is now, which says what the workspace should hold.
    """

    candidate: Candidate
    stages: Mapping[str, Mapping[str, Any]]
    current: Mapping[str, Mapping[str, Any]]

    def outputs(self, stage: str) -> dict[str, str]:
        """Return the md5 of each output of a stage, by path."""
        return _hashes(self.stages[stage].get("outs", ()))

    def inputs(self, stage: str) -> dict[str, str]:
        """Return the md5 of each input of a stage, by path."""
        return _hashes(self.stages[stage].get("deps", ()))

    def is_current(self, stage: str, path: str, *, md5: str) -> bool:
        """Return whether dvc.lock says that the workspace holds these bytes."""
        entry = self.current.get(stage, {})
        return _hashes((*entry.get("deps", ()), *entry.get("outs", ()))).get(path) == md5


def read_origin(candidate: Candidate, locked: str, *, lock: Path = Path("dvc.lock")) -> Origin:
    """Return the origin of a version.

    Args:
        candidate: The version.
        locked: The registered dvc_lock.json.
        lock: dvc.lock as it is now.
    """
    now = YAML(typ="safe").load(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    suffix = f"@{candidate.voice}"
    ours = {name.removesuffix(suffix): entry for name, entry in (now or {}).get("stages", {}).items() if suffix in name}
    stages = {name.removesuffix(suffix): entry for name, entry in json.loads(locked).items()}
    return Origin(candidate, stages, ours)


def list_stage_links(
    origin: Origin, root: Path, *, settings: Mapping[str, Any] | None, finder: DataFinder
) -> list[Link]:
    """Return the links from code, settings and recordings to the scores.

    Args:
        origin: Of the version.
        root: The project's root.
        settings: The registered params.json, None where it is missing, which another link says.
        finder: Where data is looked for.
    """
    if missing := [stage for stage in CHAIN if stage not in origin.stages]:
        return [broken("lineage", "stages in dvc_lock.json", f"it has no entry for {', '.join(missing)}")]
    return [
        _code_link(origin, root, finder=finder),
        *([] if settings is None else [_settings_link(origin, settings)]),
        _recordings_link(origin, root, finder=finder),
        *(_stage_link(origin, stage, name=name, finder=finder) for stage, name in CHAIN.items()),
        _scored_link(origin, finder),
    ]


def outside_inputs(origin: Origin) -> dict[str, tuple[str, str]]:
    """Return what the stages read that no stage wrote, without the recordings, as path -> (md5, stage)."""
    data = str(recordings_dir(origin.candidate.voice).parent.parent)
    return {
        path: (md5, stage)
        for stage in origin.stages
        for path, md5 in origin.inputs(stage).items()
        if not path.startswith(f"{data}/")
    }


def read_manifest(origin: Origin, finder: DataFinder) -> list[dict[str, Any]] | Missing:
    """Return the rows of the registered manifest of recordings, or why they cannot be had."""
    ((path, md5),) = origin.outputs("ingest").items()
    found = finder.find(path, md5, is_current=False)
    if isinstance(found, Missing):
        return found
    file = found.files.get(MANIFEST)
    if file is None or file_sha256(file) != origin.candidate.tags.get("data_manifest_sha256"):
        return Missing(f"{path}/{MANIFEST} does not have the sha256 of the signed registration", True)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def find_outside_inputs(origin: Origin, root: Path, *, finder: DataFinder) -> dict[str, str | Found | Missing]:
    """Return for each outside input its commit (str) where git has it, else where it is or why it is missing.

    Raises:
        GitError: Git cannot read the commit.
    """
    commit = origin.candidate.tags.get("git_commit", "")
    inputs = outside_inputs(origin)
    committed = hash_committed(root, commit, paths=inputs) if not why_not_checked_out(root, commit) else {}
    places: dict[str, str | Found | Missing] = {}
    for path, (md5, stage) in inputs.items():
        in_git = {name[len(path) :].lstrip("/"): one for name, one in committed.items() if _is_within(name, path)}
        if in_git and hash_tree(in_git, is_folder=md5.endswith(FOLDER)) == md5:
            places[path] = commit
            continue
        if in_git:
            places[path] = Missing(f"{stage} ran with another {path} than commit {commit[:12]} has", True)
            continue
        found = finder.find(path, md5, is_current=False)
        if isinstance(found, Missing):
            found = Missing(f"{path} as {stage} read it is not in the commit, and {found.reason}", found.is_changed)
        places[path] = found
    return places


def _code_link(origin: Origin, root: Path, *, finder: DataFinder) -> Link:
    commit = origin.candidate.tags.get("git_commit", "")
    name, compared = "code", "everything else that the stages read with the git commit"
    if reason := why_not_checked_out(root, commit):
        return unchecked(name, compared, reason, commit)
    try:
        places = find_outside_inputs(origin, root, finder=finder)
    except GitError as error:
        return unchecked(name, compared, str(error), commit)
    faults = [place for place in places.values() if isinstance(place, Missing)]
    for is_changed, link in ((True, broken), (False, unchecked)):
        if reasons := [fault.reason for fault in faults if fault.is_changed is is_changed]:
            more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
            return link(name, compared, reasons[0] + more, commit)
    return Link(name, f"{compared}: {len(places)} files and folders", "ok", commit)


def _settings_link(origin: Origin, settings: Mapping[str, Any]) -> Link:
    link = ("settings", "params.json with the parameters that DVC recorded of each stage")
    digest = origin.candidate.tags.get("params_sha256", "")
    if unknown := [stage for stage in CHAIN if not origin.stages[stage].get("params")]:
        return unchecked(*link, f"dvc_lock.json has no parameters of {', '.join(unknown)}", digest)
    if others := list(find_other_settings(origin.stages, settings)):
        more = f", and {len(others) - 1} more" if len(others) > 1 else ""
        return broken(*link, others[0] + more, digest)
    return Link(*link, "ok", digest)


def _recordings_link(origin: Origin, root: Path, *, finder: DataFinder) -> Link:
    digest = origin.candidate.tags.get("data_manifest_sha256", "")
    name, compared = "recordings", "sha256 of each recording with the registered manifest"
    rows = read_manifest(origin, finder)
    if isinstance(rows, Missing):
        return (broken if rows.is_changed else unchecked)(name, compared, rows.reason, digest)
    folder = str(recordings_dir(origin.candidate.voice))
    md5 = origin.inputs("ingest").get(folder, "")
    is_current = origin.is_current("ingest", folder, md5=md5)
    whole = finder.find(folder, md5, is_current=False)
    for row in rows:
        place = root / folder / row["path"]
        if not (place.is_file() and file_sha256(place) == row["sha256"]):
            if not is_current and isinstance(whole, Found):  # the workspace holds the recordings of another run
                place = whole.files.get(row["path"], place)
            if not place.is_file():
                return unchecked(name, compared, f"{folder}/{row['path']} is missing", digest)
            if file_sha256(place) != row["sha256"]:
                link = broken if is_current else unchecked
                return link(name, compared, f"{folder}/{row['path']} is another file than the one registered", digest)
    changed = "" if isinstance(whole, Found) else f", while another file in {folder} has changed since"
    return Link(name, f"{compared}: {len(rows)} files{changed}", "ok", digest)


def _stage_link(origin: Origin, stage: str, *, name: str, finder: DataFinder) -> Link:
    """Return the link from the inputs of a stage to its outputs."""
    outputs = origin.outputs(stage)
    compared = f"what {stage} read with what earlier stages wrote, and what it wrote with the bytes at hand"
    digest = " ".join(outputs[path] for path in sorted(outputs))
    # 1. It read what the stages before it wrote
    if reason := next(_unlinked_inputs(origin, stage), ""):
        return broken(name, compared, reason, digest)
    # 2. What it wrote is still that
    missing: list[Missing] = []
    places = set()
    for path, md5 in outputs.items():
        found = finder.find(path, md5, is_current=origin.is_current(stage, path, md5=md5))
        if isinstance(found, Missing):
            missing.append(found)
        else:
            places.add(found.where)
    for is_changed, link in ((True, broken), (False, unchecked)):
        if reasons := [one.reason for one in missing if one.is_changed is is_changed]:
            return link(name, compared, reasons[0], digest)
    return Link(name, f"{compared} ({' and '.join(sorted(places))})", "ok", digest)


def _unlinked_inputs(origin: Origin, stage: str) -> Iterator[str]:
    """Yield what a stage read from earlier stages that is not what they wrote."""
    voice = origin.candidate.voice
    recordings = str(recordings_dir(voice))
    written = {recordings: origin.inputs("ingest").get(recordings, "")}
    for earlier in CHAIN:
        if earlier == stage:
            break
        written |= origin.outputs(earlier)
    for path, md5 in origin.inputs(stage).items():
        if path.startswith("data/") and written.get(path) != md5:
            yield f"{stage} read {path} with md5 {md5}, and the stage before wrote {written.get(path) or 'nothing'}"


def _scored_link(origin: Origin, finder: DataFinder) -> Link:
    """Return the link from what evaluate wrote, known by md5, to what was registered, known by sha256."""
    candidate, outputs = origin.candidate, origin.outputs("evaluate")
    link = ("scored voice", "the candidate id of the voice and scorecard that evaluate wrote with the signed one")
    found = {}
    for path in scored_outputs(origin):
        one = finder.find(path, outputs.get(path, ""), is_current=False)
        if isinstance(one, Missing):
            return (broken if one.is_changed else unchecked)(*link, one.reason, candidate.candidate_id)
        found[path] = one.files
    seen = hash_scored(origin, found)
    if seen != candidate.candidate_id:
        return broken(*link, f"{' and '.join(found)} give {seen}", candidate.candidate_id)
    return Link(*link, "ok", candidate.candidate_id)


def scored_outputs(origin: Origin) -> tuple[str, str]:
    """Return which outputs of evaluate are registered: the voice's folder and the scorecard."""
    voice, scorecard = (
        next((path for path in origin.outputs("evaluate") if path.endswith(f"/{end}")), "")
        for end in (VOICE, SCORECARD)
    )
    return voice, scorecard


def hash_scored(origin: Origin, files: Mapping[str, Mapping[str, Path]]) -> str:
    """Return the candidate id that files have.

    Args:
        origin: Of the version, whose voice and prompts count too.
        files: Those of each of the two scored_outputs, by relative path.
    """
    voice, scorecard = (files[path] for path in scored_outputs(origin))
    return hash_candidate(
        origin.candidate.voice,
        {name: file_sha256(file) for name, file in voice.items()},
        scores_sha256=file_sha256(scorecard[""]),
        prompts_sha256=origin.candidate.prompts_sha256,
    )


def _hashes(entries: Any) -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in entries if "md5" in entry}


def _is_within(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")
