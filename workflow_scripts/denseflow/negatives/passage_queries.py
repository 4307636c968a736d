"""Each passage as a query whose positive it is itself: training pairs of an unsupervised loss.

A passage's words are its title, a space and its text; no model's title separator plays a part. They are both the query
and the positive's text, whose title is empty, so that the encoder reads the same words twice whatever its contract says
of titles (prefixes and maximum lengths stay those of queries and of passages).
"""

from collections.abc import Iterator
from hashlib import blake2b
from heapq import nsmallest
from pathlib import Path
from typing import Any

from denseflow.collection import Document, read_corpus
from denseflow.negatives.audit import QueryAudit
from denseflow.negatives.candidates import EMPTY
from denseflow.negatives.same_text import text_key
from denseflow.negatives.training_file import training_row
from denseflow.progress import counted

REPEATED = "same text as an earlier passage"
BEHIND = "behind max_queries"


def passage_rows(corpus: Path, seed: int, max_queries: int | None, audit: QueryAudit) -> Iterator[dict[str, Any]]:
    """Yield a training row for each non-empty passage of a text of its own, in the order of the collection.

    Memory holds the ids and 16 bytes a text, not the collection.

    Args:
        corpus: A corpus.jsonl.
        seed: Of the choice where there are more than ``max_queries``, which depends on the seed and a passage's id.
        max_queries: The most rows, or None.
        audit: Told of each passage.
    """
    chosen = None
    if max_queries is not None:
        different = (document.id for document in _different(corpus, QueryAudit()))
        chosen = set(nsmallest(max_queries, different, key=lambda id_: (_drawn(seed, id_), id_)))
    for document in _different(corpus, audit):
        if chosen is not None and document.id not in chosen:
            audit.skipped[BEHIND] += 1
            continue
        audit.written += 1
        audit.positives.append(1)
        yield training_row(document.id, document.text, [document], [])


def _different(corpus: Path, audit: QueryAudit) -> Iterator[Document]:
    """The documents with their words as text, the first one of each text."""
    seen: set[bytes] = set()
    for document in counted(read_corpus(corpus), "passages read"):
        audit.in_split += 1
        words = Document(document.id, "", f"{document.title} {document.text}".strip())
        key = text_key(words)
        if not key:
            audit.skipped[EMPTY] += 1
        elif key in seen:
            audit.skipped[REPEATED] += 1
        else:
            seen.add(key)
            yield words


def _drawn(seed: int, document_id: str) -> bytes:
    return blake2b(f"{seed}:passage:{document_id}".encode(), digest_size=8).digest()
