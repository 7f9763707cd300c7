"""The report of a verdict: one page with both versions and the audio that the registry kept of them."""

from __future__ import annotations

from registry.candidates.candidate import LINEAGE, PAIRS, find_candidate, score_folder_of, scorecard_of
from registry.candidates.fingerprint import CandidateError
from registry.report.heat_maps import parse_pairs
from registry.report.page import ScoredVersion, render_report
from registry.storage.store import Store
from registry.verdicts.store import SignedVerdict
from registry.verdicts.verdict import Subject


def report_of(store: Store, signed: SignedVerdict, rule: str = "") -> str:
    """Return the page about a verdict, see page.py.

    Audio that the registry no longer has as it was scored is not played, and the page says why.

    Args:
        store: Where MLflow and the verdicts are.
        signed: The verdict.
        rule: How the checkpoint pair was chosen, in one sentence.

    Raises:
        CandidateError: A version or its scorecard is gone, so its figures cannot be shown.
    """
    verdict = signed.verdict
    candidate = _load_version(store, verdict.voice, verdict.candidate)
    champion = _load_version(store, verdict.voice, verdict.champion) if verdict.champion else None
    path = candidate.folder / PAIRS if candidate.folder else None
    pairs = parse_pairs(path.read_text(encoding="utf-8")) if path and path.is_file() else ()
    return render_report(candidate, champion, signed=signed, pairs=pairs, rule=rule)


def _load_version(store: Store, voice: str, subject: Subject) -> ScoredVersion:
    try:
        candidate = find_candidate(store, voice, subject.version, subject.candidate_id)
        scorecard = scorecard_of(store, candidate)
    except CandidateError:  # gone or damaged, and perhaps registered again
        candidate = find_candidate(store, voice, candidate_id=subject.candidate_id)
        scorecard = scorecard_of(store, candidate)
    lineage = {name: candidate.tags[name] for name in LINEAGE if name in candidate.tags}
    try:
        return ScoredVersion(scorecard, score_folder_of(store, candidate), lineage)
    except CandidateError as error:
        return ScoredVersion(scorecard, None, lineage, missing=str(error))
