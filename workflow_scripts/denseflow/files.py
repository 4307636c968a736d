"""Reading and writing files so that a crash leaves either the whole file or none."""

import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there, synced to disk, when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """The hexadecimal SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its newline) of a UTF-8 text file, gzipped where the name ends in .gz.

    Raises:
        DenseflowError: The file is missing, is empty, is a truncated gzip file or is not UTF-8 (the line is named).
    """
    if not path.is_file():
        raise DenseflowError(f"{path}: no such file; check the path in the configuration")
    if path.stat().st_size == 0:
        raise DenseflowError(f"{path}: the file is empty; expected at least one line. Download or write it again")
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DenseflowError(
            f"{path}, line {number}: byte {error.start} is not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DenseflowError(
            f"{path}, after line {number}: truncated or broken gzip file ({error}); download it again"
        ) from None


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a jsonl file; blank lines are passed over.

    Raises:
        DenseflowError: As :func:`read_lines`, or a line is no JSON object (its number is named).
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DenseflowError(
                f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}): {line[:80]!r}; "
                "expected one JSON object a line"
            ) from None
        if not isinstance(row, dict):
            raise DenseflowError(f"{path}, line {number}: found {line[:80]!r}, expected a JSON object")
        yield number, row


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write one JSON object a line, whole or not at all, and return how many there were."""
    count = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
