"""The proof of a version as an in-toto statement (v1) with SLSA provenance (v1): which inputs made which files.

The subjects are the voice's files. See https://in-toto.io/Statement/v1 and https://slsa.dev/provenance/v1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from registry.candidates.candidate import Candidate, model_folder_of
from registry.candidates.fingerprint import files_below, hash_files
from registry.proof.links import Proof
from registry.storage.store import Store

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:voxfoundry:pipeline:v1"  # described in docs/proof.md
BUILDER = "urn:voxfoundry:builder"


def make_statement(
    store: Store,
    candidate: Candidate,
    *,
    proof: Proof,
    params: str,
    recordings: Mapping[str, str],
    others: Sequence[tuple[str, Mapping[str, str]]],
) -> dict[str, Any]:
    """Return the statement about a version, as JSON values.

    Args:
        store: Where MLflow is.
        candidate: The version.
        proof: Its links.
        params: The registered params.json.
        recordings: The sha256 of each recording, by its path.
        others: Name and digests of each further input, such as a base model.

    Raises:
        CandidateError: The version's files are not as registered.
    """
    files = files_below(hash_files(model_folder_of(store, candidate)), candidate.voice_path)
    tags = candidate.tags
    inputs = [
        {"name": "code", "digest": {"gitCommit": tags["git_commit"]}},
        {"name": "prompts", "digest": {"sha256": candidate.prompts_sha256}},
        *({"name": path, "digest": {"sha256": digest}} for path, digest in sorted(recordings.items())),
        *({"name": name, "digest": dict(digests)} for name, digests in others),
    ]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(files.items())],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"voice": candidate.voice, "params": json.loads(params)},
                "internalParameters": {name: tags[name] for name in ("dvc_lock_sha256", "params_sha256")},
                "resolvedDependencies": inputs,
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"voxfoundry": version("voxfoundry")}},
                "metadata": {"invocationId": candidate.run_id},
                "byproducts": [
                    {"name": "scorecard.json", "digest": {"sha256": candidate.scores_sha256}},
                    *(
                        {"name": link.name, "digest": {"sha256": link.digest}}
                        for link in proof.links
                        if link.name == "verdict" and link.digest
                    ),
                ],
            },
        },
    }
