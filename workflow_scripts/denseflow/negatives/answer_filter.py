"""Passages that contain an answer of the question are no negatives of it: they answer it, judged or not."""

from functools import lru_cache
from pathlib import Path

from denseflow.collection import read_answers
from denseflow.errors import DenseflowError
from denseflow.evaluate.answers import FORMS, contains, forms
from denseflow.negatives.passages import Passages

CONTAINS_ANSWER = "contains an answer"

_RECENT = 2**14
"""Passages whose form is kept in memory."""


class AnswerFilter:
    """Drops candidates that contain an answer, as DPR does with what BM25 finds (Karpukhin et al., 2020)."""

    def __init__(self, queries: Path, passages: Passages, match: str) -> None:
        """Read the answers.

        Args:
            queries: The split's queries.SPLIT.jsonl.
            passages: The collection.
            match: How an answer is found, one of :data:`denseflow.evaluate.answers.FORMS`.

        Raises:
            DenseflowError: No query has answers.
        """
        answers = read_answers(queries)
        if not answers:
            raise DenseflowError(
                f"{queries}: no query has answers, which `without_answer` in the negatives file looks for; leave it out"
            )
        self._answers = {query_id: forms(match, texts) for query_id, texts in answers.items()}
        self._match = match
        self._form = lru_cache(_RECENT)(lambda id_: FORMS[match](passages.document(id_).text))

    def reason(self, query_id: str, document_id: str) -> str | None:
        """Why a document is no candidate, or None if it is one."""
        answers = self._answers.get(query_id, ())
        found = any(contains(self._match, self._form(document_id), answer) for answer in answers)
        return CONTAINS_ANSWER if found else None
