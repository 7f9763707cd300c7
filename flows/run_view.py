"""What a person sees while a voice is built: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flows.dvc_stages import STAGES
from registry.storage.masking import visible

LABELS = {
    "waiting": ("waiting", "dim"),
    "running": ("running", "bold cyan"),
    "fresh": ("up to date", "green"),
    "unchanged": ("up to date", "green"),
    "restored": ("restored from cache", "green"),
    "ran": ("done", "bold green"),
    "failed": ("failed", "bold red"),
}  # of each state: the words and rich's style


class RunView:
    """Progress of one run, to be used as a context manager.

    Stages that are running when the block ends count as failed.

    Args:
        voice: The voice of the run.
        console: Where to print.
        quiet: Whether nothing is printed, as with --json.
        stages: The stages of the run, in their order.
    """

    def __init__(self, voice: str, console: Console, *, quiet: bool = False, stages: Sequence[str] = STAGES) -> None:
        self._voice, self._console, self._quiet = voice, console, quiet
        self._state = dict.fromkeys(stages, "waiting")
        self._seconds: dict[str, float] = {}
        self._note = dict.fromkeys(stages, "")
        self._started = 0.0
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for stage, state in self._state.items():
            if state == "running":
                self._state[stage] = "failed"
        if self._is_live:
            self._live.stop()

    @property
    def _is_live(self) -> bool:
        return self._console.is_terminal and not self._quiet

    def print_line(self, text: str) -> None:
        """Print a line that belongs to no stage."""
        if not self._quiet:
            self._console.print(Text(visible(text)), soft_wrap=True)

    def start_stage(self, stage: str, reason: str) -> None:
        """Show that a stage runs now, and why."""
        self._state[stage], self._note[stage], self._started = "running", reason, time.monotonic()
        self._print_plain(f"{stage}: started ({reason})")

    def log_line(self, stage: str, text: str) -> None:
        """Show a line of a stage's own log."""
        text = text.removeprefix(f"{stage}: ").removeprefix(f"{stage} {self._voice}: ")
        self._note[stage] = text
        self._print_plain(f"{stage}: {text}")

    def end_stage(self, stage: str, state: str) -> None:
        """Show the state (see StageResult) in which a stage ended."""
        self._state[stage] = state
        if state != "fresh":
            self._seconds[stage] = time.monotonic() - self._started
            self._note[stage] = ""
            self._print_plain(f"{stage}: {LABELS[state][0]} in {self._seconds[stage]:.0f} s")

    def _print_plain(self, text: str) -> None:
        if not self._is_live:
            self.print_line(text)

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
            label, style = LABELS[state]
            table.add_row(
                stage,
                Text(label, style),
                "" if seconds is None else f"{seconds:.0f} s",
                Text(visible(self._note[stage]), "dim"),
            )
        return table
