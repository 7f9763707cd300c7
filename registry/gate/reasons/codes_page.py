"""Write docs/reason-codes.md from the tables of codes.

python -m registry.gate.reasons.codes_page > docs/reason-codes.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from registry.gate.reasons.codes import CAUSE_CODES, RANK_MEANINGS, REASON_CODES

PAGE = """# Reason codes

A verdict gives every reason for its outcome as an object: in the file that `vox gate --json` writes,
`verdict.decision.reasons` is a list of them, the most important one first. Programs should read `code`, `metric`,
`slice` and `values`. The `text` is for people, and its wording may change from one version to the next. Codes and the
names of their values are stable: a version that renames or removes one says so in its list of changes.

`python -m registry.gate.reasons.codes_page > docs/reason-codes.md` makes this page.

## Reasons

The column *outcome* has the best outcome that a decision with this reason can have.

{reasons}

`values` are figures of the check behind the reason. `registry/verdicts/verdict.schema.json`
describes each. `metric` and `slice` are empty where the reason is not about one. `prompts` lists regressed prompts.

## Ranks

Reasons are sorted by `rank`. Within a rank they follow the order of the policy.

{ranks}

## Causes

A reason with the outcome *fail* can have `causes`: what lies behind the figure, the most important one first. The
`values` of a failure of speech count utterances: those with the failure, all of them, and those of the champion with
the failure (null without a champion). `errors_per_unit` is how much of the word error rate is due to the cause, beyond
the champion's where there is one. `unit` is `word`, or `character` where the language counts its errors in characters.

{causes}
"""


def reason_codes_page() -> str:
    """Return the Markdown of docs/reason-codes.md."""
    return PAGE.format(
        reasons=_table(
            ("code", "outcome", "meaning", "values"),
            [(f"`{code}`", info.outcome, info.meaning, _code_list(info.values)) for code, info in REASON_CODES.items()],
        ),
        ranks=_table(("rank", "reasons"), [(str(int(rank)), meaning) for rank, meaning in RANK_MEANINGS.items()]),
        causes=_table(
            ("code", "meaning", "values"),
            [(f"`{code}`", info.meaning, _code_list(info.values)) for code, info in CAUSE_CODES.items()],
        ),
    )


def _code_list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [titles, ["---"] * len(titles), *rows])


if __name__ == "__main__":
    sys.stdout.write(reason_codes_page())
