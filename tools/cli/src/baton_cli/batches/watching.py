"""Follows a batch on the screen: a progress bar on a terminal, otherwise one line per change."""

from collections.abc import AsyncIterator
from datetime import UTC
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from baton.model.batch import Batch
from baton_cli.batches import render
from baton_cli.batches.queries import Snapshot

_LINE_EVERY_SECONDS: Final = 5.0


class Screen(Protocol):
    """Something that shows one snapshot after the other."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, snapshot: Snapshot) -> None:
        """Show how things stand now."""
        ...


def screen(console: Console, *, quiet: bool) -> Screen:
    """Return what fits the console: a bar, plain lines, or nothing."""
    if console.is_terminal:
        return Bar(console)
    return Nothing() if quiet else Lines(console)


async def follow(snapshots: AsyncIterator[Snapshot], screen: Screen) -> Snapshot:
    """Show every snapshot and return the last one."""
    last: Snapshot | None = None
    with screen:
        async for last in snapshots:
            screen.show(last)
    assert last is not None, "watching yields at least once"
    return last


def stage(snapshot: Snapshot) -> Text:
    """Return where the batch stands in a word or two, and what does not answer."""
    if snapshot.problem:
        return render.plain(snapshot.problem, "red")
    return render.state(snapshot.batch.state) if snapshot.batch else Text("waiting for admission", style="dim")


class Nothing:
    """For scripts."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, snapshot: Snapshot) -> None:
        pass


class Lines(Nothing):
    """For logs: one line when the stage changes, or every few seconds while records are counted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""
        self._records = 0
        self._epoch: int | None = None
        self._next_line_at = 0.0

    def show(self, snapshot: Snapshot) -> None:
        now = snapshot.at.timestamp()
        text, taken_over = stage(snapshot), self._taken_over(snapshot.batch)
        moved = snapshot.records_done > self._records and now >= self._next_line_at
        if text.plain == self._stage and not moved and not taken_over:
            return
        self._stage = text.plain
        self._records = snapshot.records_done
        self._next_line_at = now + _LINE_EVERY_SECONDS
        at = Text(f"{snapshot.at.astimezone(UTC):%H:%M:%S} UTC")
        parts = (at, text, Text(_counted(snapshot)), Text(taken_over))
        self._console.print(Text("  ").join(part for part in parts if part), soft_wrap=True)

    def _taken_over(self, batch: Batch | None) -> str:
        """Return which Region has taken the batch over since the last look: else nobody knows why it starts again."""
        before, self._epoch = self._epoch, batch.owner_epoch if batch else self._epoch
        if batch is None or before is None or batch.owner_epoch == before:
            return ""
        return f"taken over by {batch.history[-1].by}"


def _counted(snapshot: Snapshot) -> str:
    total = snapshot.batch.records_total if snapshot.batch else 0
    return f"{snapshot.records_done:,} of {total:,} records" if total else ""


class Bar:
    """For people."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[counted]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
        )
        self._task: TaskID = self._progress.add_task("connecting", total=None, counted="", rate="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, snapshot: Snapshot) -> None:
        task = self._progress.tasks[0]
        rate = f"{task.speed:,.0f}/s" if task.speed else ""
        self._progress.update(
            self._task,
            description=stage(snapshot).markup,
            total=(snapshot.batch.records_total if snapshot.batch else 0) or None,
            completed=snapshot.records_done,
            counted=_counted(snapshot),
            rate=rate,
        )
