"""The card in Markdown: a file for reviews and CI, and the summary on a terminal."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from stages.card.card import DataCard
from stages.card.facts.clips import CardClip
from stages.card.language.coverage import ENOUGH
from stages.card.pages.wording import NO_CURVES, forecast_sentence, headline, length, summary_sentence, with_commands

SPECIAL = re.compile(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))")


def card_markdown(card: DataCard) -> str:
    """Return the whole card without its sounds and pictures."""
    return "\n".join([*_summary(card), *_tables(card)]).rstrip() + "\n"


def card_summary(card: DataCard) -> str:
    """Return the head of the card: what there is, what to do, and what more minutes would bring."""
    return "\n".join(_summary(card)).rstrip() + "\n"


def _summary(card: DataCard) -> Iterator[str]:
    yield f"# {escape(headline(card))}\n"
    yield f"{escape(summary_sentence(card))}\n"
    yield from (f"**{escape(note)}**\n" for note in card.notes)
    yield "## What to do next\n"
    for number, advice in enumerate(card.advice, start=1):
        pieces = (f"`{piece}`" if is_command else _escaped(piece) for piece, is_command in with_commands(advice.text))
        yield f"{number}. {' '.join(''.join(pieces).split())}"
    yield "" if card.advice else "No rule of the card has anything to say against these recordings.\n"
    yield "## What more minutes would bring\n"
    yield from (f"{escape(forecast_sentence(one))}\n" for one in card.forecasts)
    if not card.forecasts:
        yield f"{NO_CURVES if card.training_minutes else 'Nothing can be said before there are clips to train on.'}\n"
    yield "## Where every minute went\n"
    yield from table(
        ("what", "decided by", "how many", "length"),
        (
            (part.reason, part.stage, part.n or "", length(part.seconds) if part.seconds else "not known")
            for part in card.parts
            if part.n or part.seconds
        ),
    )


def _tables(card: DataCard) -> Iterator[str]:
    yield "## How the recordings are\n"
    yield from table(
        ("figure", "unit", "median", "nine tenths lie in", "measured"),
        (
            (
                one.axis.title,
                one.axis.unit,
                one.axis.value_format.format(one.median),
                f"{one.axis.value_format.format(one.low)} to {one.axis.value_format.format(one.high)}",
                f"{one.n} {one.axis.of}",
            )
            for one in card.distributions
        ),
    )
    if card.sounds:
        yield "## Which sounds are missing or rare\n"
        yield f"Below {ENOUGH} times in the training clips.\n"
        lacking = [one for one in card.sounds if one.state != "enough"]
        yield from table(
            ("sound", "as in", "kind", "training clips", "prompts"),
            ((one.name, one.example, one.kind, one.n, one.n_prompts) for one in lacking),
        )
        yield "## Which kinds of sentences\n"
        yield from table(
            ("kind", "training clips", "share"), ((one.name, one.n, f"{one.share:.1%}") for one in card.kinds)
        )
    if card.speakers:
        yield "## Who speaks\n"
        yield from table(
            ("speaker", "clips", "kept", "length", "similarity"),
            (
                (
                    one.number or "the voice",
                    one.n_clips,
                    one.n_kept,
                    length(one.seconds),
                    "" if one.similarity is None else f"{one.similarity:.2f}",
                )
                for one in card.speakers
            ),
        )
    for title, clips in (
        ("The best clips", card.chosen.best),
        ("The worst clips that were kept", card.chosen.worst),
        ("Refused clips", card.chosen.refused),
    ):
        if clips:
            yield f"## {title}\n"
            yield from table(("text", "recording", "at", "length", "CER", "why refused"), map(_clip_row, clips))


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a Markdown table, or a word where it has no rows."""
    lines = ["| " + " | ".join(escape(str(cell)) for cell in row) + " |" for row in rows]
    if not lines:
        yield "None.\n"
        return
    yield "| " + " | ".join(titles) + " |"
    yield "|" + " --- |" * len(titles)
    yield from lines
    yield ""


def escape(text: str) -> str:
    """Return a text in which Markdown and HTML mean nothing, in one line."""
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    return html.escape(SPECIAL.sub(r"\\\1", text), quote=False)


def _clip_row(one: CardClip) -> tuple[str, ...]:
    cer = "" if one.clip.cer is None else f"{one.clip.cer:.0%}"
    return (
        one.clip.text,
        one.recording.path,
        f"{one.start:.1f} s",
        f"{one.clip.seconds:.1f} s",
        cer,
        one.clip.reason,
    )
