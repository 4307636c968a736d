"""The bar that a terminal shows: what is done, how many a second, and the time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from denseflow.progress import Advance

PERIOD = 600.0
"""Seconds over which the speed is measured; a step of a training may take a minute."""


@contextmanager
def bar(what: str, total: int | None, done: int) -> Iterator[Advance]:
    """Draw a bar on the error stream while the block runs.

    Args:
        what: What is counted.
        total: How many there are; None: the bar moves to and fro, and the time since the start is shown.
        done: How many were done before.
    """
    time = TimeElapsedColumn() if total is None else TimeRemainingColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), time)
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=PERIOD) as drawn:
        drawn.console.show_cursor(True)  # a job that is killed would leave the terminal without one
        task = drawn.add_task(what, total=total, completed=done)
        yield lambda count: drawn.advance(task, count)


class RateColumn(ProgressColumn):
    """How many a second, or how many seconds each."""

    def render(self, task: Task) -> Text:
        """The rate of a task; empty as long as it is not known."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:,.1f}/s" if speed >= 1 else f"{1 / speed:,.1f} s each", style="progress.data.speed")
