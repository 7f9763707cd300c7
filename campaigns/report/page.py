"""The report of a campaign as one HTML page that opens offline. No text of a recipient is on it."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from campaigns.report.summary import Example, Summary
from serving.encoding import MEDIA_TYPES
from serving.errors import ServingError
from serving.storage.objects import ObjectStore

HERE = Path(__file__).parent
MAX_SOUND_BYTES = 600_000  # of one example, so that the page stays small
N_SAMPLES = 4
SHOWN = ("done", "needs_review", "failed", "dead", "cancelled", "expired", "running", "queued")
HEADLINES = {
    "loading": "is being submitted",
    "running": "is running",
    "paused": "is paused",
    "done": "has ended",
    "cancelled": "was stopped",
    "expired": "expired before its end",
}


def render_page(summary: Summary, objects: ObjectStore | None) -> str:
    """Return the page as HTML.

    Args:
        summary: What became of the campaign.
        objects: Where the files of the examples are. None for a page without players.
    """
    form = summary.campaign.plan.format
    named = ((example, _sound(example, form, objects)) for example in summary.worst)
    shown = {example.recipient_id for example in summary.worst}
    others = [example for example in summary.samples if example.recipient_id not in shown][:N_SAMPLES]
    samples = ((example, _sound(example, form, objects)) for example in others)
    style = resources.files("registry.report").joinpath("page.css").read_text(encoding="utf-8")
    own = (HERE / "page.css").read_text(encoding="utf-8")
    return _template().render(
        summary=summary,
        campaign=summary.campaign,
        headline=HEADLINES[summary.campaign.state],
        tone=_tone(summary),
        shares=[(state, summary.rows[state], summary.rows[state] / max(1, summary.n_rows)) for state in SHOWN],
        figures=_figures(summary),
        worst=list(named),
        samples=[pair for pair in samples if pair[1]],
        style=style + own,
    )


def _tone(summary: Summary) -> str:
    """Return how good the news are: pass, inconclusive or fail."""
    rows = summary.rows
    if summary.campaign.state in ("cancelled", "expired") or rows["failed"] or rows["dead"]:
        return "fail"
    return "pass" if summary.campaign.state == "done" and not rows["needs_review"] else "inconclusive"


def _figures(summary: Summary) -> list[tuple[str, str, str]]:
    """Return (title, value, explanation) of the cards."""
    work = summary.gpt_seconds + summary.sovits_seconds
    spoken = summary.seconds
    judged = "No asset was judged." if not summary.n_judged else f"{summary.n_judged} of {summary.n_rows} were judged."
    rows = summary.rows
    attention = rows["needs_review"] + rows["failed"] + rows["dead"]
    return [
        ("Delivered", f"{rows['done']:,}", f"of {summary.n_rows:,} recipients"),
        ("Audio", duration(spoken), f"{summary.n_bytes / 1e6:.1f} MB of {summary.campaign.plan.format}"),
        (
            "Reused",
            f"{summary.reused_seconds / max(spoken, 1e-9):.0%}" if spoken else "0%",
            f"{duration(summary.reused_seconds)} came from the cache of sentences",
        ),
        (
            "Work",
            duration(work),
            f"{duration(summary.gpt_seconds)} GPT, {duration(summary.sovits_seconds)} SoVITS"
            + (f"; {work / spoken:.2f} s per second of audio" if spoken else ""),
        ),
        ("Word error rate", "none" if summary.mean_wer is None else f"{summary.mean_wer:.1%}", judged),
        ("Not delivered", f"{attention:,}", f"{sum(summary.rejects.values()):,} more were refused by the check"),
    ]


def duration(seconds: float | None) -> str:
    """Return a length of time for people."""
    if seconds is None:
        return "none"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _sound(example: Example, form: str, objects: ObjectStore | None) -> str:
    """Return the sound of an example as a data URI, or an empty text where it cannot be had or is too long."""
    if objects is None or example.object_key is None or form == "pcm":
        return ""
    try:
        size = objects.size(example.object_key)
        if size is None or size > MAX_SOUND_BYTES:
            return ""
        sound = b"".join(objects.open(example.object_key))
    except ServingError:
        return ""
    return f"data:{MEDIA_TYPES[form]};base64,{base64.b64encode(sound).decode()}"  # type: ignore[index]


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "duration": duration,
        "words": lambda name: name.replace("_", " "),
        "moment": lambda moment: f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "not yet",
    }
    environment.filters |= filters
    return environment.get_template("page.html")
