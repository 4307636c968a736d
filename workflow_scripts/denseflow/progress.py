"""How far a long piece of work is: a bar in a terminal, a line in the log now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOG = logging.getLogger("denseflow")

Advance = Callable[[int], None]
"""Called with how many more are done."""


@contextmanager
def progress(
    what: str,
    total: int,
    *,
    done: int = 0,
    seconds: float = 30.0,
    terminal: bool | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Advance]:
    """Show how many of ``total`` are done while the block runs.

    Args:
        what: What is counted, such as "passages encoded".
        total: How many there are.
        done: How many were done before, by an earlier run; they do not count for the speed.
        seconds: Least time between two lines of the log.
        terminal: Whether to draw a bar; None: where the error stream is a terminal.
        clock: Gives the time in seconds.
    """
    if sys.stderr.isatty() if terminal is None else terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(what, total=total, completed=done)
            yield lambda count: bar.advance(task, count)
        return

    start = last = clock()
    before = done

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = clock()
        if now - last >= seconds or done >= total:
            last = now
            speed = (done - before) / max(now - start, 1e-9)
            left = (total - done) / max(speed, 1e-9)
            share = 100 * done / total
            LOG.info("%s: %d of %d (%.0f%%), %.1f a second, %.0f s left", what, done, total, share, speed, left)

    yield advance
