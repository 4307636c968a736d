"""The log of a stage: what it says goes to the terminal and into its file."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from denseflow.errors import DenseflowError
from denseflow.machine import write_machine


class Terminal(logging.StreamHandler):
    """Writes to the error stream as it is at the time: while a bar is drawn, lines go above it."""

    def __init__(self) -> None:
        """Write no line that a bar says already."""
        logging.Handler.__init__(self)
        self.addFilter(lambda record: not getattr(record, "file_only", False))

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The error stream."""
        return sys.stderr


def log_to(path: str | None) -> None:
    """Send log messages and warnings to stderr and to the end of a file, to which other processes may write as well."""
    handlers: list[logging.Handler] = [Terminal()]
    if path is not None:
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
    line = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=line, datefmt="%H:%M:%S", handlers=handlers, force=True)
    logging.captureWarnings(True)
    for noisy in ("httpx", "urllib3", "filelock", "datasets", "sentence_transformers", "faiss"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextmanager
def stage_log(path: str) -> Iterator[None]:
    """Send log messages and warnings to stderr and to a new file; a user's error becomes a message and exit code 1.

    What machine it runs on is told beside the log.
    """
    Path(path).unlink(missing_ok=True)
    log_to(path)
    write_machine(Path(path))
    try:
        yield
    except DenseflowError as error:
        logging.error("%s", error)
        sys.exit(1)
    except Exception:
        logging.exception("unexpected error")
        raise
