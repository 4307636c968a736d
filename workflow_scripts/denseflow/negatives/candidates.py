"""Which passages may be a query's negatives."""

from collections.abc import Iterable

from denseflow.negatives.passages import Passages

KNOWN_RELEVANT = "known relevant"
SAME_TEXT = "same text as a relevant passage"
CHOSEN_TEXT = "same text as a chosen negative"
CHOSEN = "chosen by an earlier source"
EMPTY = "empty passage"


class Exclusion:
    """Why a passage may not be a negative of one query; it grows with each one that is chosen."""

    def __init__(self, passages: Passages, known_relevant: Iterable[str]) -> None:
        self._passages = passages
        self._relevant = frozenset(known_relevant)
        self._relevant_texts = {passages.text_key(id_) for id_ in self._relevant if id_ in passages}
        self._chosen: set[str] = set()
        self._chosen_texts: set[bytes] = set()

    def reason(self, document_id: str) -> str | None:
        """Why the document is no candidate, or None if it is one."""
        if document_id in self._relevant:
            return KNOWN_RELEVANT
        if document_id in self._chosen:
            return CHOSEN
        key = self._passages.text_key(document_id)
        if not key:
            return EMPTY
        if key in self._relevant_texts:
            return SAME_TEXT
        return CHOSEN_TEXT if key in self._chosen_texts else None

    def choose(self, document_id: str) -> None:
        """Let the document be a negative, so that neither it nor its text is taken again."""
        self._chosen.add(document_id)
        self._chosen_texts.add(self._passages.text_key(document_id))
