"""The splits of a collection: queries, judgements, and what two splits have in common."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.collection import Qrels, read_qrels, read_queries
from denseflow.dataset.lengths import Lengths
from denseflow.report.data.histogram import of_counts
from denseflow.report.data.languages import languages
from denseflow.report.data.near_pairs import different_words, near_texts
from denseflow.report.data.passages import EXAMPLES, LANGUAGE_LOOKED_AT, SHOWN, length_facts
from denseflow.report.data.sampling import sampled, sampled_rows
from denseflow.report.near_twins import SHARED_WORDS, near_queries

NEAR_LOOKED_AT = 50_000
"""Queries of a split that are compared with each other."""

MOST_PAIRS = 500_000_000
"""Pairs of queries of two splits that are compared: of the one fewer queries are looked at, of the other all."""

MOST_JUDGED = 5
"""Queries with the most relevant passages that are shown."""


class Split(NamedTuple):
    """The texts of a split's queries, and its judgements."""

    name: str
    queries: Mapping[str, str]
    qrels: Qrels

    @classmethod
    def read(cls, folder: Path, name: str) -> "Split":
        """The split in the dataset's folder."""
        queries = read_queries(folder / f"queries.{name}.jsonl")
        return cls(name, queries, read_qrels(folder / f"qrels.{name}.tsv"))

    def relevant(self, query_id: str) -> set[str]:
        """The ids of a query's relevant documents."""
        return {document_id for document_id, level in self.qrels.get(query_id, {}).items() if level >= 1}


def split_facts(split: Split, missing: Set[str]) -> dict[str, Any]:
    """What there is to say of a split; ``missing`` are judged documents that are not in the corpus."""
    texts = list(split.queries.values())
    lengths = Lengths()
    for text in texts:
        lengths.add(text)
    relevant = {query_id: len(split.relevant(query_id)) for query_id in split.qrels}
    looked_at = [texts[row] for row in sampled_rows(len(texts), NEAR_LOOKED_AT)]
    near = near_texts(map(different_words, looked_at), SHARED_WORDS, EXAMPLES)
    levels = Counter(level for judged in split.qrels.values() for level in judged.values())
    most = sorted(relevant, key=lambda query_id: (-relevant[query_id], query_id))[:MOST_JUDGED]
    unknown = {document_id for judged in split.qrels.values() for document_id in judged} & missing
    return {
        "queries": len(texts),
        "empty": sum(not text.strip() for text in texts),
        "judged": len(split.qrels),
        "without_relevant": sum(not count for count in relevant.values()),
        "judgements": levels.total(),
        "levels": {str(level): levels[level] for level in sorted(levels)},
        "relevant_documents": len(set().union(*map(split.relevant, split.qrels))),
        "unknown_documents": {"count": len(unknown), "examples": sorted(unknown)[:EXAMPLES]},
        "judgements_a_query": of_counts(map(len, split.qrels.values())),
        "relevant_a_query": of_counts(relevant.values()),
        "mean_relevant": round(sum(relevant.values()) / max(1, len(relevant)), 2),
        "most_relevant": [[query_id, split.queries[query_id][:SHOWN], relevant[query_id]] for query_id in most],
        "repeated": _repeated(texts),
        "near": {
            "shared_words": SHARED_WORDS,
            "looked_at": len(looked_at),
            "queries": near.texts,
            "examples": [[looked_at[place][:SHOWN] for place in pair[:2]] for pair in near.examples],
        },
        "lengths": length_facts(lengths),
        **languages(texts[row] for row in sampled_rows(len(texts), LANGUAGE_LOOKED_AT)),
    }


def ordered(names: Sequence[str]) -> list[str]:
    """The splits from the one to train on to the one to test on, as far as their names say it."""
    order = ("train", "dev", "val", "test")
    return sorted(names, key=lambda name: next((n for n, word in enumerate(order) if word in name.lower()), 1))


def between(splits: Sequence[Split]) -> Iterator[dict[str, Any]]:
    """Yield what each split has in common with one that comes before it."""
    for first, second in combinations(splits, 2):
        yield _common(second, first)


def _common(split: Split, earlier: Split) -> dict[str, Any]:
    """How much of a split an earlier one gives away."""
    judged = {query_id: text for query_id, text in split.queries.items() if query_id in split.qrels}
    others = {query_id: text for query_id, text in earlier.queries.items() if query_id in earlier.qrels}
    looked_at = sampled(judged, max(1, MOST_PAIRS // max(1, len(others))))
    near = twins = 0
    examples: list[list[str]] = []
    for query_id, shares in near_queries(looked_at, others):
        near += 1
        relevant = split.relevant(query_id)
        twin = max(
            (other for other in shares if relevant & earlier.relevant(other)),
            key=lambda other: (shares[other], other),
            default=None,
        )
        if twin is not None:
            twins += 1
            if len(examples) < EXAMPLES:
                examples.append([judged[query_id][:SHOWN], others[twin][:SHOWN]])
    texts = {_same(text) for text in others.values()}
    relevant = {document_id for query_id in judged for document_id in split.relevant(query_id)}
    known = {document_id for query_id in others for document_id in earlier.relevant(query_id)}
    return {
        "split": split.name,
        "earlier": earlier.name,
        "queries": len(judged),
        "looked_at": len(looked_at),
        "same_id": len(judged.keys() & others.keys()),
        "same_text": sum(_same(text) in texts for text in judged.values()),
        "near": near,
        "near_twins": twins,
        "examples": examples,
        "relevant_documents": len(relevant),
        "relevant_in_both": len(relevant & known),
        "queries_known": sum(split.relevant(query_id) <= known for query_id in judged if split.relevant(query_id)),
    }


def _repeated(texts: Sequence[str]) -> int:
    """How many queries have the same text as another of the split, case and spaces aside."""
    return sum(count for count in Counter(map(_same, texts)).values() if count > 1)


def _same(text: str) -> str:
    return " ".join(text.casefold().split())
