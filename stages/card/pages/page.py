"""The page of the data card: one HTML file with its style, its script and its sounds, which makes no request."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from gpt_sovits.text.languages import LANGUAGES
from registry import report
from registry.report.media import embed_sounds
from stages.card.card import DataCard
from stages.card.facts.clips import CardClip
from stages.card.facts.distributions import Distribution
from stages.card.facts.heard import heard_words
from stages.card.facts.inputs import TableFolders
from stages.card.language.coverage import ENOUGH, Coverage
from stages.card.pages.charts import HEIGHT, WIDTH, curve_chart
from stages.card.pages.wording import forecast_sentence, headline, length, summary_sentence, with_commands
from stages.clip_audio import clip_file

HERE = Path(__file__).parent
KINDS = ("vowel", "consonant", "initial", "final", "tone")
Key = tuple[Path, str]


def render_card(card: DataCard, folders: TableFolders) -> str:
    """Return the card as HTML. Equal tables give equal bytes: no dates, times or paths of this machine are in it.

    Args:
        card: what the page shows.
        folders: where the clips are.
    """
    script = (HERE / "card.js").read_text(encoding="utf-8")
    style = (Path(report.__file__).parent / "page.css").read_text(encoding="utf-8")
    shown = [*card.chosen.best, *card.chosen.worst, *card.chosen.refused]
    keys = {one.clip.clip_id: key for one in shown if (key := _sound_key(one, folders)) is not None}
    sounds = embed_sounds(list(keys.values()), math.fsum(one.clip.seconds for one in shown))
    charts = [
        curve_chart("Word error rate", "wer", card.curves, card.training_minutes, as_percent=True),
        curve_chart("Speaker similarity", "similarity", card.curves, card.training_minutes, as_percent=False),
    ]
    return _template().render(
        card=card,
        voice=card.tables.voice,
        language=LANGUAGES.get(card.tables.language, card.tables.language),
        style=style + (HERE / "card.css").read_text(encoding="utf-8"),
        script=script,
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        headline=headline(card),
        summary=summary_sentence(card),
        parts=[part for part in card.parts if part.seconds or part.n],
        total=card.minutes() * 60,
        histograms=[_histogram(one) for one in card.distributions],
        sound_kinds=_by_kind(card.sounds),
        enough=ENOUGH,
        groups=_clip_groups(card),
        sound=lambda one: sounds.get(keys.get(one.clip.clip_id), ""),
        heard=lambda one: heard_words(one.clip),
        figures_of=_clip_figures,
        charts=[chart for chart in charts if chart],
        chart_size=(WIDTH, HEIGHT),
        forecasts=[forecast_sentence(one) for one in card.forecasts],
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": length, "pieces": with_commands, "tidy": lambda value: f"{value:.2f}"}
    return environment.get_template("card.html")


def _sound_key(one: CardClip, folders: TableFolders) -> Key | None:
    path = clip_file(one.clip, folders.clips, folders.aligned)
    folder = folders.aligned if path.is_relative_to(folders.aligned) else folders.clips
    return (folder, path.relative_to(folder).as_posix()) if path.is_file() else None


def _histogram(one: Distribution) -> dict[str, Any]:
    """Return the bars of a histogram, with heights as shares of the fullest bin."""
    top = max(each.kept_seconds + each.refused_seconds for each in one.bins) or 1.0
    axis, form = one.axis, one.axis.value_format
    bars = []
    for each in one.bins:
        kept, refused = each.kept_seconds / top, each.refused_seconds / top
        title = f"{form.format(each.low)} to {form.format(each.high)} {axis.unit}: {each.kept_seconds:.0f} s kept"
        if each.refused_seconds:
            title += f", {each.refused_seconds:.0f} s refused"
        bars.append({"kept": kept, "refused": refused, "title": title})
    ticks = [axis.low + (axis.high - axis.low) * part / 4 for part in range(5)]
    return {
        "axis": axis,
        "median": form.format(one.median),
        "low": form.format(one.low),
        "high": form.format(one.high),
        "n": one.n,
        "n_unmeasured": one.n_unmeasured,
        "bars": bars,
        "ticks": [f"{tick:g}" for tick in ticks],
        "beyond": one.is_beyond,
    }


def _by_kind(sounds: Sequence[Coverage]) -> list[tuple[str, list[Coverage]]]:
    """Return the sounds of each kind, those that the clips lack first."""
    return [(kind, rows) for kind in KINDS if (rows := [one for one in sounds if one.kind == kind])]


def _clip_groups(card: DataCard) -> list[dict[str, Any]]:
    chosen = card.chosen
    groups = [
        ("best", f"The {len(chosen.best)} best", "Kept. They are what the others should be like.", chosen.best),
        ("worst", f"The {len(chosen.worst)} worst that were kept", "Listen to these first.", chosen.worst),
        (
            "refused",
            f"{len(chosen.refused)} refused clips",
            "The longest ones. Are they refused rightly?",
            chosen.refused,
        ),
    ]
    return [
        {"name": name, "title": title, "meaning": meaning, "clips": clips}
        for name, title, meaning, clips in groups
        if clips
    ]


def _clip_figures(one: CardClip) -> list[str]:
    """Return what was measured of a clip, in words."""
    words = [f"{one.clip.seconds:.1f} s"]
    if one.clip.cer is not None:
        words.append(f"CER {one.clip.cer:.0%}")
    elif one.clip.text_source == "asr":
        words.append("text by the recogniser")
    if (similarity := one.clip.speaker_similarity) is not None:
        words.append(f"similarity {similarity:.2f}")
    if (snr := one.recording.snr_db) is not None:
        words.append(f"SNR {snr:.0f} dB")
    if one.clip.repair:
        words.append(f"repaired: {one.clip.repair}")
    return words
