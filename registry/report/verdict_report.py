"""The report of a verdict: both versions with their audio from the registry, by hash, as one page."""

from __future__ import annotations

from registry.candidates.candidate import LINEAGE, PAIRS, find_candidate, score_folder_of, scorecard_of
from registry.candidates.fingerprint import CandidateError
from registry.report.page import Scored, render_report
from registry.report.heat_maps import parse_pairs
from registry.storage.store import Store
from registry.verdicts.store import SignedVerdict
from registry.verdicts.verdict import Subject


def report_of(store: Store, signed: SignedVerdict, rule: str = "") -> str:
    """The page about a verdict, see registry/report.

    rule: how the checkpoint pair was chosen, in one sentence
    Audio that the registry no longer holds as it was scored is not played, and the page says why. Raises CandidateError
    where a version or its scorecard is gone, for then the figures could not be shown.
    """
    verdict = signed.verdict
    candidate = _scored(store, verdict.voice, verdict.candidate)
    champion = _scored(store, verdict.voice, verdict.champion) if verdict.champion else None
    pairs = candidate.folder / PAIRS if candidate.folder else None
    known = parse_pairs(pairs.read_text(encoding="utf-8")) if pairs and pairs.is_file() else ()
    return render_report(candidate, champion, signed, known, rule)


def _scored(store: Store, voice: str, subject: Subject) -> Scored:
    candidate = find_candidate(store, voice, subject.version, subject.candidate_id)
    scorecard = scorecard_of(store, candidate)
    lineage = {name: candidate.tags[name] for name in LINEAGE if name in candidate.tags}
    try:
        return Scored(scorecard, score_folder_of(store, candidate), lineage)
    except CandidateError as error:
        return Scored(scorecard, None, lineage, missing=str(error))
