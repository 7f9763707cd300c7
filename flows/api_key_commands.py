"""The commands `vox api-keys ...` of the command line: parse and call.

They are a group of their own, because `vox keys` is about something else: the keys that sign the journal of releases.
"""

from __future__ import annotations

from datetime import datetime

import click

from flows.project_group import ProjectGroup


@click.group("api-keys", cls=ProjectGroup)
def api_keys() -> None:
    """Say who may use the service, and for what."""


@api_keys.command("create")
@click.argument("name")
@click.option("--voice", "voices", multiple=True, help="A voice that it covers. Repeat it.  [default: all]")
@click.option("--lane", "lanes", multiple=True, help="A lane that it covers: realtime or batch.  [default: both]")
@click.option("--purpose", "purposes", multiple=True, help="A purpose that it covers. Repeat it.  [default: all]")
@click.option("--per-minute", type=int, metavar="N", help="Requests per minute on each node.  [default: no limit]")
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True, max=36_500), help="It expires after that many days."
)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="It expires at the begin of that day, UTC.")
def api_keys_create(
    name: str,
    *,
    voices: tuple[str, ...],
    lanes: tuple[str, ...],
    purposes: tuple[str, ...],
    per_minute: int | None,
    days: float | None,
    until: datetime | None,
) -> int:
    """Make a key for NAME and print it. It is shown this once, because only a hash of it is kept.

    NAME is who uses it, and stands in the audit. Two keys of one NAME see the same jobs, so a key can be replaced.
    """
    from flows.commands.api_keys import create

    scope = {"voices": voices, "lanes": lanes, "purposes": purposes}
    return create(name, scope=scope, per_minute=per_minute, days=days, until=until)


@api_keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout.")
def api_keys_list(*, as_json: bool) -> int:
    """List all keys with their scopes. The keys themselves are not kept."""
    from flows.commands.api_keys import show

    return show(as_json=as_json)


@api_keys.command("revoke")
@click.argument("who")
def api_keys_revoke(who: str) -> int:
    """Revoke a key, or all keys of a name. A running service refuses it within about a second.

    WHO is the id of a key, the 12 digits after vf_, or a name.
    """
    from flows.commands.api_keys import revoke

    return revoke(who)
