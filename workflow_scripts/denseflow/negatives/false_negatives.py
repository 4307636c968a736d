"""What speaks against a negative: a score near its query's positives, or nearly their words."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from denseflow.collection import Document
from denseflow.negatives.candidates import Passages

ABOVE_MARGIN = "above the margin"
ABOVE_SHARE = "above the share"

NEAR_DUPLICATE = 0.8
"""The share of different words in common (Jaccard) from which on two passages count as near-duplicates."""


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


class NearDuplicates:
    """Finds passages of nearly the same words under another id."""

    def __init__(self, passages: Passages) -> None:
        self._passages = passages
        self._words = lru_cache(maxsize=2**14)(self._words_of)

    def among(self, document_id: str, others: Iterable[str]) -> str | None:
        """The first of the other documents that has nearly the words of the document, or None."""
        words = self._words(document_id)
        if not words:
            return None
        for other_id in others:
            other = self._words(other_id)
            small, large = sorted((len(words), len(other)))
            if small < NEAR_DUPLICATE * large:
                continue
            common = len(words & other)
            if common >= NEAR_DUPLICATE * (small + large - common):
                return other_id
        return None

    def _words_of(self, document_id: str) -> frozenset[str]:
        document: Document = self._passages.by_id[document_id]
        return frozenset((document.text.strip() or document.title).casefold().split())
