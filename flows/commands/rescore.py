"""`vox rescore`: the champion scored again, now or on a schedule."""

from __future__ import annotations

from rich.text import Text

from flows.console import print_line, print_table
from flows.evaluate_champion import RescoreResult, evaluate_champion
from flows.prefect_server import ensure_server
from flows.train_and_release import DirectEngine


def rescore_voice(voice: str, version: int | None, *, with_prefect: bool, cron: str | None, as_json: bool) -> int:
    """Score a version again and print what has drifted. Return 0 if nothing has, 1 if something has.

    Args:
        voice: The voice.
        version: The version, None for the champion.
        with_prefect: Whether this is a flow run of the project's Prefect server.
        cron: When to score the champion again, until interrupted. None for once, now.
        as_json: Whether the result is printed as JSON and nothing else is.
    """
    if cron is not None:
        ensure_server()
        from flows.prefect_engine import rescore_on_schedule  # after ensure_server, as in _rescore

        print_line(f"scoring the champion of {voice} again at {cron!r} (cron, UTC) for as long as this process runs")
        rescore_on_schedule(voice, cron)
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
