"""How quick work on queries was (search, fusion, reranking, encoding), beside its file; nothing runs for it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from denseflow.files import write_json


def speed_file(run: Path) -> Path:
    """test.top1000.speed.json beside test.top1000.trec."""
    return run.with_suffix(".speed.json")


class Stopwatch:
    """Adds up the time that work on queries takes; what is done between is left out."""

    def __init__(self) -> None:
        self._queries, self._seconds = 0, 0.0

    @contextmanager
    def over(self, queries: int) -> Iterator[None]:
        """Measure the work on so many queries more."""
        started = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - started
        self._queries += queries

    def write(self, run: Path) -> None:
        """Keep what was measured, where anything was: of work that was found done, an older file is right."""
        if self._queries:
            write_speed(run, self._queries, self._seconds)


def write_speed(run: Path, queries: int, seconds: float, **more: Any) -> None:
    """Keep how many queries were searched in how many seconds."""
    rate = round(queries / seconds, 3) if seconds > 0 else None
    facts = {"queries": queries, "seconds": round(seconds, 4), "queries_per_second": rate}
    write_json(speed_file(run), {**facts, **more})


def read_speed(run: Path, key: str = "queries_per_second") -> float | None:
    """Queries a second, or None where it is not known.

    Args:
        run: The run, such as test.top1000.trec.
        key: ``queries_per_second``, or ``exact_queries_per_second`` of the exact search that it was compared with.
    """
    try:
        value = json.loads(speed_file(run).read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError):
        return None
    return None if value is None else float(value)
