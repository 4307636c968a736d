"""Pairs of texts with nearly the same words, found without comparing each with each.

With Jaccard's index of at least s, two texts of n different words each share more than (1 - s) n words' worth of
overlap: one of the n - ceil(s n) + 1 rarest words of one must be among those of the other (prefix filtering; Bayardo,
Ma and Srikant, 2007). So only texts that share a rare word are compared, and none is missed.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from denseflow.report.near_twins import CJK, WORD

_ROWS = 256
"""Texts whose candidates are looked for together, to bound the memory."""
_CHECKED = 100_000
"""Candidates compared together."""
_FIND = re.compile(WORD)
_RUNS = re.compile(rf"[{CJK}]+|[^\W{CJK}]+")


class NearPair(NamedTuple):
    """Two texts, by their places, and Jaccard's index of their different words."""

    first: int
    second: int
    shared_words: float


class NearTexts(NamedTuple):
    """Texts of which others have nearly the same words.

    Attributes:
        texts: How many have at least one near text.
        pairs: How many pairs there are; texts of exactly the same words count as one here.
        examples: The first pairs, each of two different places.
    """

    texts: int
    pairs: int
    examples: list[NearPair]


def different_words(text: str) -> frozenset[str]:
    """The different words of a text, case aside; where a script has no spaces, its characters."""
    return frozenset(_FIND.findall(text.casefold()))


def different_words_or_bigrams(text: str) -> frozenset[str]:
    """The same for long texts: where a script has no spaces, each two neighbours, since long texts share characters."""
    return frozenset(piece for run in _RUNS.findall(text.casefold()) for piece in _pieces(run))


def _pieces(run: str) -> list[str]:
    if _FIND.match(run).end() == len(run):  # type: ignore[union-attr]
        return [run]
    return [run[place : place + 2] for place in range(len(run) - 1)]


def near_texts(texts: Iterable[frozenset[str]], share: float, examples: int) -> NearTexts:
    """Which texts, given as their different words, are near to another of them; those without a word are to none."""
    places: dict[frozenset[str], list[int]] = {}
    for place, words in enumerate(texts):
        if words:
            places.setdefault(words, []).append(place)
    same = list(places.values())
    shown = [NearPair(of[0], of[1], 1.0) for of in same if len(of) > 1][:examples]
    near = np.array([len(of) > 1 for of in same], dtype=bool)
    pairs = int(near.sum())
    for one, other, shared in near_pairs(list(places), share):
        near[[one, other]] = True
        pairs += 1
        if len(shown) < examples:
            shown.append(NearPair(same[one][0], same[other][0], round(shared, 4)))
    return NearTexts(sum(len(of) for of, found in zip(same, near, strict=True) if found), pairs, shown)


def near_pairs(sets: Sequence[frozenset[str]], share: float) -> Iterator[NearPair]:
    """Yield all pairs of sets with a Jaccard index of at least ``share``, in order of their places.

    Args:
        sets: Different from each other, none empty.
        share: Above 0, at most 1.
    """
    if len(sets) < 2:
        return
    whole, prefixes = _matrices(sets, share)
    sizes = np.diff(whole.indptr)
    turned = prefixes.T.tocsr()
    for start in range(0, len(sets), _ROWS):
        candidates = sparse.coo_array(prefixes[start : start + _ROWS] @ turned)
        first, second = start + candidates.row, candidates.col
        small, large = np.minimum(sizes[first], sizes[second]), np.maximum(sizes[first], sizes[second])
        wanted = np.flatnonzero((second > first) & (small >= share * large - 1e-9))
        order = wanted[np.lexsort((second[wanted], first[wanted]))]
        for at in range(0, len(order), _CHECKED):
            one, other = first[order[at : at + _CHECKED]], second[order[at : at + _CHECKED]]
            common = np.asarray(whole[one].multiply(whole[other]).sum(axis=1)).ravel()
            shared = common / (sizes[one] + sizes[other] - common)
            for place in np.flatnonzero(shared >= share - 1e-9):
                yield NearPair(int(one[place]), int(other[place]), float(shared[place]))


def _matrices(sets: Sequence[frozenset[str]], share: float) -> tuple[sparse.csr_array, sparse.csr_array]:
    """A row a set and a column a word, and the same with each set's rarest words alone."""
    often = Counter(word for words in sets for word in words)
    columns = {word: column for column, (_, word) in enumerate(sorted((n, word) for word, n in often.items()))}
    rows = [np.sort(np.fromiter((columns[word] for word in words), dtype=np.int32)) for words in sets]
    prefixes = [row[: len(row) - math.ceil(share * len(row) - 1e-9) + 1] for row in rows]
    return _matrix(rows, len(columns)), _matrix(prefixes, len(columns))


def _matrix(rows: Sequence[np.ndarray], columns: int) -> sparse.csr_array:
    ends = np.cumsum([0, *map(len, rows)])
    indices = np.concatenate(rows)
    return sparse.csr_array((np.ones(len(indices), dtype=np.int32), indices, ends), shape=(len(rows), columns))
