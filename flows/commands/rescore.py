"""`vox rescore`: the champion scored again, now or on a schedule."""

from __future__ import annotations

from rich.text import Text

from flows.console import print_line, print_table
from flows.evaluate_champion import RescoreResult, evaluate_champion
from flows.prefect_server import ensure_server
from flows.released_voice import find_voice
from flows.train_and_release import DirectEngine


def rescore_voice(voice: str, version: int | None, *, with_prefect: bool, cron: str | None, as_json: bool) -> int:
    """Score a version again and print what has drifted. Return 0 if nothing has, 1 if something has.

    Args:
        voice: The voice.
        version: The version, None for the champion.
        with_prefect: Whether this is a flow run of the project's Prefect server.
        cron: When to score it again, until interrupted. None for once, now.
        as_json: Whether the result is printed as JSON and nothing else is.

    Raises:
        ValueError: --json was given with --every, or `cron` is not a line of cron.
        ReleaseRefused: There is no champion, or the speaker's consent does not allow it.
        CandidateError: The version does not exist, or its bytes have changed.
    """
    if cron is not None:
        if as_json:
            raise ValueError("--json prints one result and --every makes many; leave one of them out")
        # as each run will do: what would make all of them fail is refused now
        find_voice(voice, version)
        ensure_server()
        from flows.prefect_engine import rescore_on_schedule  # after ensure_server, as in _rescore

        what = f"the champion of {voice}" if version is None else f"version {version} of {voice}"
        print_line(f"scoring {what} again at {cron!r} (cron, UTC) for as long as this process runs")
        rescore_on_schedule(voice, version, cron=cron)
        return 0
    result = _rescore(voice, version, with_prefect=with_prefect)
    if as_json:
        print(result.to_json())
        return int(result.has_drifted)
    rows = result.table()
    print_table([[str(row.get(name, "")) for name in rows[0]] for row in rows], header=tuple(rows[0]))
    print_line(f"{voice} version {result.candidate.version}: ", Text(result.headline(), "bold"))
    for finding in result.findings:
        print_line(f"  - {finding}")
    return int(result.has_drifted)


def _rescore(voice: str, version: int | None, *, with_prefect: bool) -> RescoreResult:
    if not with_prefect:
        return evaluate_champion(voice, version, engine=DirectEngine())
    ensure_server()
    from flows.prefect_engine import rescore_with_prefect  # after ensure_server: prefect reads its settings on import

    return rescore_with_prefect(voice, version)
