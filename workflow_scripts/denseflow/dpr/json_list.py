"""A JSON file that is one long list."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from denseflow.files import atomic_path


def write_list(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write objects as one JSON list, an object a line, whole or not at all, and return how many there were."""
    count = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for row in rows:
            file.write(("," if count else "") + "\n" + json.dumps(row, ensure_ascii=False))
            count += 1
        file.write("\n]\n")
    return count
