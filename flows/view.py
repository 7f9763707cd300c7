"""What a person sees while a voice is built: a live table on a terminal, plain lines in CI."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from flows.dvc_stages import STAGES

WORDS = {
    "waiting": "[dim]waiting[/]",
    "running": "[bold cyan]running[/]",
    "fresh": "[green]up to date[/]",
    "unchanged": "[green]up to date[/]",
    "restored": "[green]restored from cache[/]",
    "ran": "[bold green]done[/]",
    "failed": "[bold red]failed[/]",
}


class RunView:
    """Progress of one run; use as a context manager. `quiet` prints nothing (for --json)."""

    def __init__(self, voice: str, console: Console, quiet: bool = False) -> None:
        self._voice, self._console, self._quiet = voice, console, quiet
        self._state = dict.fromkeys(STAGES, "waiting")
        self._seconds: dict[str, float] = {}
        self._note = dict.fromkeys(STAGES, "")
        self._started = 0.0
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        if self._live_table:
            self._live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for stage, state in self._state.items():
            if state == "running":
                self._state[stage] = "failed"
        if self._live_table:
            self._live.stop()

    @property
    def _live_table(self) -> bool:
        return self._console.is_terminal and not self._quiet

    def say(self, text: str) -> None:
        """A line that belongs to no stage."""
        if not self._quiet:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def started(self, stage: str, reason: str) -> None:
        self._state[stage], self._note[stage], self._started = "running", reason, time.monotonic()
        self._plain(f"{stage}: started ({reason})")

    def line(self, stage: str, text: str) -> None:
        """A line of the stage's own log."""
        text = text.removeprefix(f"{stage}: ").removeprefix(f"{stage} {self._voice}: ")
        self._note[stage] = text
        self._plain(f"{stage}: {text}")

    def finished(self, stage: str, state: str) -> None:
        self._state[stage] = state
        if state != "fresh":
            self._seconds[stage] = time.monotonic() - self._started
            self._note[stage] = ""
            self._plain(f"{stage}: {_plain_word(state)} in {self._seconds[stage]:.0f} s")

    def _plain(self, text: str) -> None:
        if not self._live_table:
            self.say(text)

    def _table(self) -> Table:
        table = Table(title=f"voice {self._voice}", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name, options in (
            ("stage", {}),
            ("state", {}),
            ("time", {"justify": "right"}),
            ("", {"overflow": "ellipsis"}),
        ):
            table.add_column(name, no_wrap=True, **options)
        for stage, state in self._state.items():
            running = time.monotonic() - self._started if state == "running" else None
            seconds = self._seconds.get(stage, running)
            table.add_row(
                stage,
                WORDS[state],
                "" if seconds is None else f"{seconds:.0f} s",
                f"[dim]{_safe(self._note[stage])}[/]",
            )
        return table


def _plain_word(state: str) -> str:
    return WORDS[state].split("]")[1].split("[")[0]


def _safe(text: str) -> str:
    return text.replace("[", r"\[")
