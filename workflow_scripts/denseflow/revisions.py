"""What was recorded of the hub's commits at their first use, so that later uses take the same."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.files import write_json


def recorded(revisions: Path | None, key: str) -> dict[str, Any] | None:
    """What is recorded of a repository, if anything is.

    Args:
        revisions: The JSON file; None: nothing is recorded.
        key: The repository, with the revision asked for.

    Raises:
        DenseflowError: The file is no JSON.
    """
    return None if revisions is None else _read(revisions).get(key)


def remember(revisions: Path | None, key: str, value: dict[str, Any]) -> None:
    """Record something of a repository, beside what other jobs record at the same time."""
    if revisions is None:
        return
    with _locked(revisions):
        write_json(revisions, {**_read(revisions), key: value})


def _read(revisions: Path) -> dict[str, Any]:
    if not revisions.is_file():
        return {}
    try:
        return json.loads(revisions.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DenseflowError(f"{revisions}: not JSON ({error}); mend it, or delete it to resolve anew") from None


@contextmanager
def _locked(revisions: Path) -> Iterator[None]:
    revisions.parent.mkdir(parents=True, exist_ok=True)
    with revisions.with_name(f".{revisions.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
