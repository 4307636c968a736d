"""Finding results and input files that were altered behind Snakemake's back."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from denseflow.files import sha256, write_json


class Digests:
    """SHA-256 sums of files, remembered by path, size and time of change, so that a large file is read once."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        try:
            self._known: dict[str, list] = json.loads(memory.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            self._known = {}
        self._changed = False

    def of(self, path: Path) -> str:
        """The sum of one file."""
        status = path.stat()
        key, stamp = str(path.resolve()), [status.st_size, status.st_mtime_ns]
        known = self._known.get(key)
        if known is None or known[:2] != stamp:
            known = [*stamp, sha256(path)]
            self._known[key] = known
            self._changed = True
        return known[2]

    def of_tree(self, path: Path, patterns: Sequence[str] = ("**/*",)) -> dict[str, str]:
        """The sums of a file, or of a folder's files that match one of the patterns, by relative name."""
        if path.is_file():
            return {path.name: self.of(path)}
        files = {file for pattern in patterns for file in path.glob(pattern) if file.is_file()}
        return {str(file.relative_to(path)): self.of(file) for file in sorted(files)}

    def save(self) -> None:
        """Keep what was learnt for the next call."""
        if self._changed:
            write_json(self._memory, self._known)


def forcing(dag: Any, manifests: Iterable[Path], inputs: list[Path]) -> list[Path]:
    """Tell Snakemake's graph to make these manifests again, and pass on a rule's inputs.

    Called from an input function: the graph is there then, and what has to run is decided after it.
    """
    dag.forcefiles.update(map(str, manifests))
    return inputs


def damaged_files(manifest: Path, digests: Digests) -> list[Path]:
    """The files that a manifest lists and that are missing, or differ from it; the manifest itself where it is none.

    A file whose size is right and that is not younger than its manifest, which is written last, is taken to be whole
    without reading it; the stage that reads it compares its SHA-256 in any case. A manifest that is missing is
    Snakemake's business.
    """
    if not manifest.is_file():
        return []
    written = manifest.stat().st_mtime_ns

    def whole(file: Path, expected: dict) -> bool:
        if not file.is_file():
            return False
        status = file.stat()
        if status.st_size != expected["bytes"]:
            return False
        return status.st_mtime_ns <= written or digests.of(file) == expected["sha256"]

    try:
        files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    except (ValueError, KeyError, TypeError):
        return [manifest]
    return [manifest.parent / name for name, expected in files.items() if not whole(manifest.parent / name, expected)]
