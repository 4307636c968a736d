"""How long texts are, for the manifest."""

from collections import Counter
from typing import Any


class Lengths:
    """Lengths of texts in characters and in words (what stands between white space), counted one text at a time."""

    def __init__(self) -> None:
        self.characters: Counter[int] = Counter()
        self.words: Counter[int] = Counter()

    def add(self, text: str) -> None:
        """Count a text."""
        self.characters[len(text)] += 1
        self.words[len(text.split())] += 1

    def summary(self) -> dict[str, Any]:
        """``mean`` (one decimal), ``median``, ``p95`` and ``max`` of ``characters`` and ``words``."""
        return {"characters": _summary(self.characters), "words": _summary(self.words)}


def _summary(lengths: Counter[int]) -> dict[str, float]:
    total = lengths.total()
    mean = sum(length * count for length, count in lengths.items()) / total
    return {
        "mean": round(mean, 1),
        "median": _percentile(lengths, 50),
        "p95": _percentile(lengths, 95),
        "max": max(lengths),
    }


def _percentile(lengths: Counter[int], percent: int) -> int:
    """The least length that at least ``percent`` of 100 texts do not exceed."""
    reached = 0
    for length, count in sorted(lengths.items()):
        reached += count
        if 100 * reached >= percent * lengths.total():
            return length
    raise ValueError("no lengths")
