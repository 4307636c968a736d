"""The ids of vectors, one a line of a file, looked up where they stand instead of being held."""

import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from denseflow.errors import DenseflowError

_CHECKED = 2**18
"""In longer files no repeated id is looked for: the dataset stage refuses them, and the file is compared with its
sha256."""
_SPACE = re.compile(rb"[\x09\x0b-\x0d\x1c-\x20\x80-\xff]|^\n|\n\n", re.DOTALL)
"""What no id has (a space, an empty line), or may have as a part of a character beyond ASCII."""
_CHUNK = 2**24


class Ids(Sequence[str]):
    """The lines of a file: the file is mapped, and 8 bytes a line are held."""

    def __init__(self, path: Path, rows: int) -> None:
        """Map the file and check it.

        Args:
            path: UTF-8, one id a line.
            rows: How many ids there must be.

        Raises:
            DenseflowError: There are more or fewer, it is not UTF-8, or an id is empty, has a space in it (which run
                files cannot hold) or, in a file that is not long, is repeated.
        """
        self._path = path
        with path.open("rb") as file:
            empty = path.stat().st_size == 0
            self._bytes: mmap.mmap | bytes = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        ends = [np.flatnonzero(np.frombuffer(part, np.uint8) == ord("\n")) + start for start, part in self._parts()]
        last = [] if not self._bytes or self._bytes[-1:] == b"\n" else [np.array([len(self._bytes)])]
        self._starts = np.concatenate([np.zeros(1, np.int64), *(end + 1 for end in [*ends, *last])])
        if len(self) != rows:
            raise DenseflowError(f"{path}: {len(self)} ids for {rows} vectors; encode again")
        if _SPACE.search(self._bytes):
            self._refuse_spaces()
        if rows <= _CHECKED:
            self._refuse_repeated()

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row = int(row) % len(self)
        return self._bytes[self._starts[row] : self._starts[row + 1] - 1].decode("utf-8")

    def take(self, rows: np.ndarray) -> list[str]:
        """The ids of some rows, all from 0 on, quicker than one by one."""
        starts, ends = self._starts[rows].tolist(), (self._starts[rows + 1] - 1).tolist()
        return [self._bytes[start:end].decode("utf-8") for start, end in zip(starts, ends, strict=True)]

    def _parts(self) -> Iterator[tuple[int, bytes]]:
        for start in range(0, len(self._bytes), _CHUNK):
            yield start, self._bytes[start : start + _CHUNK]

    def _refuse_spaces(self) -> None:
        for row in range(len(self)):
            try:
                name = self[row]
            except UnicodeDecodeError as error:
                raise DenseflowError(
                    f"{self._path}, line {row + 1}: not UTF-8 ({error.reason}); encode again"
                ) from None
            if not name or any(character.isspace() for character in name):
                raise DenseflowError(
                    f"{self._path}, line {row + 1}: id {name!r}, expected one without spaces, which run files cannot "
                    "hold"
                )

    def _refuse_repeated(self) -> None:
        if len(set(self._bytes[:].split(b"\n"))) > len(self):  # one more, after the last newline
            return
        seen: dict[str, int] = {}
        for row, name in enumerate(self):
            if name in seen:
                raise DenseflowError(
                    f"{self._path}, line {row + 1}: id {name!r} was used in line {seen[name] + 1} already"
                )
            seen[name] = row
