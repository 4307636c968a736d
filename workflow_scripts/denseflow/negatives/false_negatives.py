"""What speaks against a negative: a score near its query's positives, or nearly their words."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from denseflow.negatives.passages import Passages

ABOVE_MARGIN = "above the margin"
ABOVE_SHARE = "above the share"

NEAR_DUPLICATE = 0.8
"""The share of different words in common (Jaccard) from which on two passages count as near-duplicates."""

_BITS = 1024
_MOST_DIFFERENT = (1 - NEAR_DUPLICATE) / (1 + NEAR_DUPLICATE) + 1e-9


@dataclass(frozen=True)
class ScoreFilter:
    """Drops candidates that score near a query's best positive or above it, as unjudged relevant passages do.

    With s the best positive's score, a candidate is dropped above s - margin, or above s - (1 - share) |s|, which for
    s > 0 is share * s. These are NV-Retriever's TopK-MarginPos and TopK-PercPos (Moreira et al., 2024); the paper
    has positive scores only, and the form with |s| means the same below 0.
    """

    margin: float | None = None
    share: float | None = None

    def reason(self, score: float, best_positive: float | None) -> str | None:
        """Why a candidate of this score is dropped; None if it is kept, as all are where no positive has a score."""
        if best_positive is None:
            return None
        if self.margin is not None and score > best_positive - self.margin:
            return ABOVE_MARGIN
        if self.share is not None and score > best_positive - (1 - self.share) * abs(best_positive):
            return ABOVE_SHARE
        return None


class _Words(NamedTuple):
    """The different words of a passage, and a bit for each in a number of a thousand bits."""

    words: frozenset[str]
    bits: int


class NearDuplicates:
    """Finds passages of nearly the same words under another id."""

    def __init__(self, passages: Passages) -> None:
        self._passages = passages
        self._words = lru_cache(maxsize=2**14)(self._words_of)

    def among(self, document_id: str, others: Iterable[str]) -> str | None:
        """The first of the other documents that has nearly the words of the document, or None.

        With Jaccard's index at least J, n and m words differ in at most (n + m) (1 - J) / (1 + J) words, and so in no
        more bits, which are compared much faster than words.
        """
        words, bits = self._words(document_id)
        if not words:
            return None
        for other_id in others:
            other, other_bits = self._words(other_id)
            together = len(words) + len(other)
            if (bits ^ other_bits).bit_count() > together * _MOST_DIFFERENT:
                continue
            common = len(words & other)
            if common >= NEAR_DUPLICATE * (together - common):
                return other_id
        return None

    def _words_of(self, document_id: str) -> _Words:
        document = self._passages.document(document_id)
        words = frozenset((document.text.strip() or document.title).casefold().split())
        bits = 0
        for word in words:
            bits |= 1 << (crc32(word.encode()) % _BITS)
        return _Words(words, bits)
