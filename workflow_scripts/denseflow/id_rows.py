"""From an id to its row, for tens of millions of ids."""

from collections.abc import Callable, Iterable

import numpy as np


class IdRows:
    """The rows of ids, in 16 bytes each; the ids themselves are not kept.

    An id that is none of them is told from them by 64 bits of its hash: whoever reads a row's id can compare.
    """

    def __init__(self, ids: Iterable[str], again: Callable[[], Iterable[str]]) -> None:
        """Args:
        ids: All different, in the order of their rows.
        again: Gives them once more; asked only if two have the same hash.
        """
        hashes = np.fromiter(map(hash, ids), dtype=np.int64)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        same = np.flatnonzero(self._hashes[1:] == self._hashes[:-1])
        twins = {*self._order[same].tolist(), *self._order[same + 1].tolist()}
        self._twins = {id_: row for row, id_ in enumerate(again()) if row in twins} if twins else {}

    def __len__(self) -> int:
        return len(self._hashes)

    def get(self, id_: str) -> int | None:
        """The row of an id, from 0; None if it is none of the ids."""
        if id_ in self._twins:
            return self._twins[id_]
        value = hash(id_)
        place = self._hashes.searchsorted(value)
        if place == len(self._hashes) or self._hashes[place] != value:
            return None
        return int(self._order[place])
