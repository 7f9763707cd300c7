"""All links of a version, from the recordings to the release."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from flows.dvc_objects import find_dvc_cache
from flows.proof.data import DataFinder
from flows.proof.stage_links import Origin, list_stage_links, read_origin
from registry.candidates.candidate import Candidate
from registry.proof.links import Link, Proof, unchecked
from registry.proof.release_links import find_subject, list_release_links, read_lineage_file
from registry.storage.store import Store


@dataclass(frozen=True, kw_only=True)
class ProvenVersion:
    """A version with its proof, and what the proof was made from.

    Attributes:
        candidate: The version.
        proof: Its links.
        origin: What DVC recorded, None where the registration does not have it.
        params: The registered params.json, None where the registration does not have it.
        finder: Where data was looked for.
    """

    candidate: Candidate
    proof: Proof
    origin: Origin | None
    params: str | None
    finder: DataFinder


def prove(store: Store, voice: str, *, version: int | None) -> ProvenVersion:
    """Compare every link of a version.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        version: Its number, None for the champion.

    Raises:
        CandidateError: There is no such version.
        JournalError: The journal, which says who is champion, is broken.
    """
    candidate = find_subject(store, voice, version)
    finder = DataFinder(Path(), find_dvc_cache())
    locked, params = (read_lineage_file(store, candidate, name) for name in ("dvc_lock.json", "params.json"))
    links, origin = list(dict.fromkeys(text for text in (locked, params) if isinstance(text, Link))), None
    if isinstance(locked, str):
        origin = read_origin(candidate, locked)
        settings = json.loads(params) if isinstance(params, str) else None
        links += list_stage_links(origin, Path(), settings=settings, finder=finder)
    else:
        links.append(unchecked("recordings ... scores", "every stage", "the registration does not say what DVC did"))
    proof = Proof(voice, candidate.version, candidate.candidate_id, (*links, *list_release_links(store, candidate)))
    return ProvenVersion(
        candidate=candidate,
        proof=proof,
        origin=origin,
        params=params if isinstance(params, str) else None,
        finder=finder,
    )
