"""The passages of a collection: counts, lengths, repeated and nearly repeated texts, languages."""

from array import array
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from denseflow.collection import Document, read_corpus
from denseflow.dataset.lengths import Lengths
from denseflow.negatives.false_negatives import NEAR_DUPLICATE
from denseflow.negatives.same_text import KEY_BYTES, text_key
from denseflow.progress import counted
from denseflow.report.data.histogram import of_lengths
from denseflow.report.data.languages import languages
from denseflow.report.data.near_pairs import different_words_or_bigrams, near_texts
from denseflow.report.data.sampling import sampled_rows

NEAR_LOOKED_AT = 50_000
"""Passages that are compared with each other."""

LANGUAGE_LOOKED_AT = 2_000
"""Texts whose language is told."""

EXAMPLES = 3
SHOWN = 160
"""Characters shown of a text."""


def passage_facts(corpus: Path, count: int, judged: Set[str]) -> tuple[dict[str, Any], set[str]]:
    """What there is to say of a collection's passages, read in one pass.

    Args:
        corpus: The corpus.jsonl.
        count: How many documents it has.
        judged: The ids of all judged documents.

    Returns:
        The facts, and the judged ids that no document has.
    """
    missing = set(judged)
    chosen = sampled_rows(count, NEAR_LOOKED_AT)
    wanted, next_chosen = iter(chosen), -1
    keys, rows_of_keys = bytearray(), array("q")
    lengths = Lengths()
    texts: list[str] = []
    ids: list[str] = []
    empty = untitled = 0
    next_chosen = next(wanted, -1)
    for row, document in enumerate(counted(read_corpus(corpus), "documents looked at", total=count)):
        missing.discard(document.id)
        both = f"{document.title} {document.text}".strip()
        lengths.add(both)
        untitled += not document.title.strip()
        key = text_key(document)
        if key:
            keys += key
            rows_of_keys.append(row)
        else:
            empty += 1
        if row == next_chosen:
            texts.append(document.text.strip() or document.title)
            ids.append(document.id)
            next_chosen = next(wanted, -1)
    repeated, groups = _repeated(keys, rows_of_keys)
    near = near_texts(map(different_words_or_bigrams, texts), NEAR_DUPLICATE, EXAMPLES)
    facts = {
        "count": count,
        "empty": empty,
        "without_title": untitled,
        "lengths": length_facts(lengths),
        "repeated": {**repeated, "examples": list(_documents(corpus, groups))},
        "near_duplicates": {
            "shared_words": NEAR_DUPLICATE,
            "looked_at": len(texts),
            "passages": near.texts,
            "pairs": near.pairs,
            "examples": [
                {
                    "shared_words": pair.shared_words,
                    "passages": [[ids[place], texts[place][:SHOWN]] for place in pair[:2]],
                }
                for pair in near.examples
            ],
        },
        **languages(texts[place] for place in sampled_rows(len(texts), LANGUAGE_LOOKED_AT)),
    }
    return facts, missing


def length_facts(lengths: Lengths) -> dict[str, Any]:
    """Summary and histogram of texts' words and characters."""
    histograms = {"words": of_lengths(lengths.words), "characters": of_lengths(lengths.characters)}
    return {unit: {**of, "histogram": histograms[unit]} for unit, of in lengths.summary().items()}


def _repeated(keys: bytearray, rows: Sequence[int]) -> tuple[dict[str, int], list[list[int]]]:
    """How many texts several passages have, how many passages that are, and the rows of the first ones."""
    table = np.frombuffer(keys, dtype=f"V{KEY_BYTES}")
    _, places, counts = np.unique(table, return_inverse=True, return_counts=True)
    several = counts[places.ravel()] > 1
    found: dict[int, list[int]] = {}
    for place in np.flatnonzero(several):
        group = int(places.ravel()[place])
        if group in found or len(found) < EXAMPLES:
            found.setdefault(group, []).append(rows[int(place)])
    facts = {"texts": int((counts > 1).sum()), "passages": int(several.sum())}
    return facts, [group[:EXAMPLES] for group in found.values()]


def _documents(corpus: Path, groups: Sequence[Sequence[int]]) -> Iterator[dict[str, Any]]:
    """Ids and text of groups of rows with the same text."""
    wanted = {row for group in groups for row in group}
    found: dict[int, Document] = {}
    for row, document in enumerate(read_corpus(corpus)):
        if not wanted - found.keys():
            break
        if row in wanted:
            found[row] = document
    for group in groups:
        first = found[group[0]]
        yield {"ids": [found[row].id for row in group], "text": (first.text.strip() or first.title)[:SHOWN]}
