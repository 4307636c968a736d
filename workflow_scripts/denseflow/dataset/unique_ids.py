"""Whether ids are unique, for tens of millions of them."""

from array import array
from collections.abc import Iterable

import numpy as np


class UniqueIds:
    """Notes ids in 8 bytes each, and finds those that came twice when they are gone through again."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, value: str) -> None:
        """Note an id."""
        self._hashes.append(hash(value))

    def repeated(self, again: Iterable[str]) -> tuple[str, int, int] | None:
        """The first id that comes twice, with the two places (from 1) where it stands; None where there is none.

        Args:
            again: The same ids in the same order; taken only if two have one hash.
        """
        # Two ids with one hash of 64 bits are nearly always one id; whether they are is seen in the ids themselves.
        ordered = np.sort(np.array(self._hashes, dtype=np.int64))
        suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
        if not suspects:
            return None
        places: dict[str, int] = {}
        for place, value in enumerate(again, start=1):
            if hash(value) in suspects and places.setdefault(value, place) != place:
                return value, places[value], place
        return None
