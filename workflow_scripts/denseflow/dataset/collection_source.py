"""What every data source gives to the export."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from denseflow.collection import Document, Qrels

QUICKSTART = "The experiment `quickstart` needs no download"

HARD_NEGATIVES, EASY_NEGATIVES = "hard", "easy"


class Split(NamedTuple):
    """The queries of one split and their judgements.

    Attributes:
        queries: Text by query id, in the source's order.
        qrels: Relevance level by query id, then document id.
        origin: Where the judgements come from (a file, an id), for messages.
        answers: By query id, of those that have any, for the measure Answer.
        negatives: By :data:`HARD_NEGATIVES` or :data:`EASY_NEGATIVES`, then query id: the ids of the documents that the
            source itself has as negatives, the hardest first.
    """

    queries: dict[str, str]
    qrels: Qrels
    origin: str
    answers: Mapping[str, list[str]] = MappingProxyType({})
    negatives: Mapping[str, Mapping[str, list[str]]] = MappingProxyType({})


@dataclass(frozen=True)
class SourceCollection:
    """A collection as its source gives it; the export checks it and writes it.

    Attributes:
        origin: Where the collection comes from, for messages.
        documents: Starts over the documents, one at a time, so that a large collection never is in memory at once.
        splits: Reads a split, by the split's name.
        facts: What the source wants to have recorded in the manifest.
        warnings: Filled while the source is read.
        packages: Installed distributions whose versions the result depends on.
    """

    origin: str
    documents: Callable[[], Iterator[Document]]
    splits: Mapping[str, Callable[[], Split]]
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    packages: tuple[str, ...] = ()


def examples(values: list[str], limit: int = 3) -> str:
    """The first few values, quoted, for a message; an ellipsis says that there are more."""
    shown = ", ".join(repr(value) for value in values[:limit])
    return f"{shown}, …" if len(values) > limit else shown
