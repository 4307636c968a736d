"""How far a long piece of work is: a bar in a terminal, and a line in the log now and then.

A bar shows what is done, how many a second, and the time left; where the total is not known, how many are done and the
time since the start. The stage's log file gets the lines even where the terminal has a bar.
"""

import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

LOG = logging.getLogger("denseflow")

FILE_ONLY = {"file_only": True}
"""Marks a line of the log that the terminal does without, because a bar says the same."""

REDRAWN = 0.1
"""Least seconds between two changes of a bar, so that counting many small things costs little."""

Advance = Callable[[int], None]
"""Called with how many more are done."""

T = TypeVar("T")


@contextmanager
def progress(
    what: str,
    total: int | None,
    *,
    done: int = 0,
    seconds: float = 30.0,
    terminal: bool | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Advance]:
    """Show how many of ``total`` are done while the block runs.

    Args:
        what: What is counted, such as "passages encoded".
        total: How many there are; None: not known beforehand.
        done: How many were done before, by an earlier run; they do not count for the speed.
        seconds: Least time between two lines of the log.
        terminal: Whether to draw a bar; None: where the error stream is a terminal that no other job draws in.
        clock: Gives the time in seconds.
    """
    start = last = drawn = clock()
    before, told, waiting = done, done, 0
    draws = _may_draw() if terminal is None else nullcontext(terminal)
    with draws as in_terminal, _bar(what, total, done) if in_terminal else nullcontext() as bar:

        def draw(now: float) -> None:
            nonlocal drawn, waiting
            if bar is not None:
                bar(waiting)
            drawn, waiting = now, 0

        def tell(now: float) -> None:
            nonlocal last, told
            text = line(what, done, total, done - before, now - start)
            LOG.info("%s", text, extra=FILE_ONLY if in_terminal else None)
            last, told = now, done

        def advance(count: int) -> None:
            nonlocal done, waiting
            done, waiting = done + count, waiting + count
            now = clock()
            if now - drawn >= REDRAWN or done == total:
                draw(now)
            if now - last >= seconds or done == total:
                tell(now)

        yield advance
        if told != done:
            draw(now := clock())
            tell(now)


def counted(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Pass ``items`` on, and show how many have been dealt with; see :func:`progress`."""
    with progress(what, total) as advance:
        for item in items:
            yield item
            advance(1)


def line(what: str, done: int, total: int | None, now_done: int, elapsed: float) -> str:
    """A line of the log.

    Args:
        what: What is counted.
        done: How many are done.
        total: Of how many, or None.
        now_done: How many of them in ``elapsed`` seconds.
        elapsed: Time since the start.
    """
    speed = now_done / max(elapsed, 1e-9)
    rate = f"{speed:,.1f} a second" if speed >= 1 or not speed else f"{1 / speed:,.1f} s each"
    if total is None:
        return f"{what}: {done:,}, {rate}, {duration(elapsed)} so far"
    share = f"{100 * done / total:.0f}%" if total else "all"
    left = duration((total - done) / speed) if speed else "unknown time"
    return f"{what}: {done:,} of {total:,} ({share}), {rate}, {left} left"


def duration(seconds: float) -> str:
    """A time as one reads it: 45 s, 12 min, 3.5 h, 2.1 days."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def _bar(what: str, total: int | None, done: int) -> AbstractContextManager[Advance]:
    from denseflow.progress_bar import bar  # rich is imported where there is something to draw

    return bar(what, total, done)


@contextmanager
def _may_draw() -> Iterator[bool]:
    """Whether the error stream is a terminal that this process may draw a bar in.

    Jobs that run side by side share the terminal, and two bars would overwrite each other. Who draws holds a lock on
    the terminal, which the operating system gives back when the process ends; the others write lines.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield False
        return
    try:
        handle = os.open(os.ttyname(sys.stderr.fileno()), os.O_RDONLY | os.O_NOCTTY)
    except OSError:  # a terminal of another container has no name here
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)
