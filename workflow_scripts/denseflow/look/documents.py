"""The texts of a few documents of a collection."""

from collections.abc import Sequence
from pathlib import Path

from denseflow.collection import Document, read_corpus
from denseflow.errors import DenseflowError
from denseflow.negatives.passages import Passages


def scan(corpus: Path, ids: Sequence[str]) -> dict[str, Document]:
    """The documents of these ids, found by going through the corpus.jsonl as far as is necessary.

    Raises:
        DenseflowError: The collection lacks one.
    """
    wanted, found = set(ids), {}
    if not wanted:
        return {}
    for document in read_corpus(corpus):
        if document.id in wanted:
            found[document.id] = document
            if len(found) == len(wanted):
                return found
    raise _missing(corpus, next(id_ for id_ in ids if id_ not in found))


class Kept:
    """Documents of a corpus.jsonl that is gone through once, to find any of them quickly then."""

    def __init__(self, corpus: Path) -> None:
        """Go through the file."""
        self._corpus, self._passages = corpus, Passages(corpus)

    def find(self, ids: Sequence[str]) -> dict[str, Document]:
        """The documents of these ids.

        Raises:
            DenseflowError: The collection lacks one.
        """
        try:
            return {id_: self._passages.document(id_) for id_ in ids}
        except KeyError as error:
            raise _missing(self._corpus, error.args[0]) from None


def _missing(corpus: Path, id_: str) -> DenseflowError:
    return DenseflowError(
        f"{corpus}: no document {id_!r}, which a ranking names; the ranking is of another collection. Run the workflow "
        "to make it again"
    )
