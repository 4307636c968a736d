"""From See Also entries to queries in splits that share neither a query text nor a relevant document."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from denseflow.dataset.see_also import references, resolve

SPLITS = ("train", "dev", "test")

MOST_RELEVANT = 5
"""A description with more relevant documents ("equivalent function") says nothing about any of them."""


@dataclass
class Query:
    """A query: its text as first written, and the ids of its relevant documents."""

    text: str
    relevant: set[str] = field(default_factory=set)


def normalised(text: str) -> str:
    """The text with case folded, spaces made one, and without a full stop at its end."""
    return " ".join(text.casefold().split()).rstrip(" .")


def collect_queries(
    objects: Sequence[Mapping[str, Any]], documents: Mapping[str, str], *, drop_verbatim: bool
) -> tuple[dict[str, Query], dict[str, int]]:
    """The queries of all See Also sections.

    Args:
        objects: {"paths", "docstring"} of each document, see :func:`denseflow.dataset.package_api.list_api`; the
            first path is the document's id.
        documents: Title and text by document id, in which a query's words are looked for.
        drop_verbatim: Whether to leave out queries that stand word for word in a relevant document.

    Returns:
        The queries by normalised text, and how many entries or queries were dropped, by reason.
    """
    known = {path: item["paths"][0] for item in objects for path in item["paths"]}
    dropped: Counter[str] = Counter()
    queries: dict[str, Query] = {}
    for item in objects:
        try:
            entries = list(references(item["docstring"]))
        except ValueError:
            dropped["sections that numpydoc cannot parse"] += 1
            continue
        for entry in entries:
            found = {known[path] for name in entry.names if (path := resolve(name, item["paths"], known)) is not None}
            if not found:
                dropped["entries that name no document"] += 1
            elif found == {item["paths"][0]}:
                dropped["entries that name the document they stand in"] += 1
            elif not normalised(entry.description):
                dropped["entries without a description"] += 1
            else:
                query = queries.setdefault(normalised(entry.description), Query(entry.description))
                query.relevant |= found - {item["paths"][0]}
    vague = [key for key, query in queries.items() if len(query.relevant) > MOST_RELEVANT]
    for key in vague:
        del queries[key]
    dropped[f"queries with more than {MOST_RELEVANT} relevant documents"] = len(vague)
    if drop_verbatim:
        folded = {document_id: normalised(text) for document_id, text in documents.items()}
        verbatim = [key for key, query in queries.items() if any(key in folded[target] for target in query.relevant)]
        for key in verbatim:
            del queries[key]
        dropped["queries that stand word for word in a relevant document"] = len(verbatim)
    return queries, dict(dropped)


def assign_splits(
    queries: Mapping[str, Query], *, seed: int, dev_share: float, test_share: float
) -> dict[str, list[str]]:
    """Share the queries' keys out to train, dev and test so that no relevant document is in two splits.

    Queries that share a relevant document, directly or through others, stay together. The groups are taken in an
    order that the seed and their own texts fix, so that it is the same on every machine; those that do not fit into
    what is left of test and of dev are for training.
    """
    groups = _connected(queries)
    groups.sort(key=lambda keys: hashlib.sha256(f"{seed} {keys[0]}".encode()).digest())
    room = {"test": round(test_share * len(queries)), "dev": round(dev_share * len(queries))}
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    for keys in groups:
        split = next((name for name, left in room.items() if len(keys) <= left), "train")
        if split in room:
            room[split] -= len(keys)
        splits[split] += keys
    return {split: sorted(keys) for split, keys in splits.items()}


def _connected(queries: Mapping[str, Query]) -> list[list[str]]:
    parent = {key: key for key in queries}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    first_query: dict[str, str] = {}
    for key, query in sorted(queries.items()):
        for target in sorted(query.relevant):
            parent[root(key)] = root(first_query.setdefault(target, key))
    groups: dict[str, list[str]] = {}
    for key in sorted(queries):
        groups.setdefault(root(key), []).append(key)
    return list(groups.values())
