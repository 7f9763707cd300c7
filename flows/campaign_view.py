"""What a person sees while a campaign is spoken: a bar on a terminal, a line per tenth elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from campaigns.report.page import duration
from campaigns.report.summary import Summary
from flows.console import console, print_line

STEPS = 10  # lines from the begin to the end, where stdout is not a terminal


class CampaignView:
    """Shows progress, to be used as a context manager."""

    def __init__(self) -> None:
        """Begin with nothing shown."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = None
        self._shown = -1

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        print_line(text)

    def show(self, summary: Summary) -> None:
        """Show how far a campaign is."""
        n_ended = summary.n_rows - summary.rows["queued"] - summary.rows["running"]
        attention = summary.rows["needs_review"] + summary.rows["failed"] + summary.rows["dead"]
        note = f"{duration(summary.seconds)} of audio" + (f", {attention} not delivered" if attention else "")
        if console.is_terminal:
            if self._task is None:
                self._task = self._progress.add_task(summary.campaign.name, total=summary.n_rows, note=note)
            self._progress.update(self._task, completed=n_ended, total=summary.n_rows, note=note)
            return
        step = STEPS * n_ended // max(1, summary.n_rows)
        if step > self._shown:
            self._shown = step
            print_line(f"{n_ended} of {summary.n_rows} rows have ended; {note}")
