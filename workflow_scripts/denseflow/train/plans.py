"""Which draws make a batch, as a function of (seed, epoch) alone."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from denseflow.train.examples import Draws, Key

_ORDER, _QUERIES = 2, 4  # beside the kinds of draws of examples.py and batches.py, which share the seed


class BatchPlan(Sampler[list[Key]], ABC):
    """The keys of each batch of an epoch."""

    def __init__(self, seed: int) -> None:
        """Plan with a seed."""
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Give the batches of ``epoch`` (from 0) at the next iteration; transformers' Trainer calls this."""
        self.epoch = epoch

    @abstractmethod
    def __len__(self) -> int:
        """Batches an epoch."""

    @abstractmethod
    def __iter__(self) -> Iterator[list[Key]]:
        """Yield the keys of each batch."""


class ByQuery(BatchPlan):
    """A seeded permutation of an epoch's draws, cut; the last batch holds what is left."""

    def __init__(self, size: int, batch_size: int, seed: int) -> None:
        """Batches of ``batch_size`` keys, of ``size`` draws an epoch."""
        super().__init__(seed)
        self.size, self.batch_size = size, batch_size

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.random.default_rng([self.seed, self.epoch, _ORDER]).permutation(self.size)
        for start in range(0, self.size, self.batch_size):
            yield [(self.epoch, index) for index in order[start : start + self.batch_size].tolist()]


class ByPassage(BatchPlan):
    """Batches of queries that share passages: most of the time goes into encoding passages, and queries are short.

    An epoch is a seeded permutation of all positives, cut into pieces of ``batch_size / queries_per_passage``. A batch
    has ``batch_size`` of the queries that a piece is relevant for, drawn without replacement with chances proportional
    to (positives of the query in the piece) / sqrt(positives of the query), so that a query with a thousand positives
    does not come up a thousand times as often as one with a single one.
    """

    def __init__(self, draws: Draws, batch_size: int, queries_per_passage: int, seed: int) -> None:
        """Batches of at most ``batch_size`` queries, of the examples of ``draws``."""
        super().__init__(seed)
        self.batch_size = batch_size
        self.piece = max(1, batch_size // queries_per_passage)
        queries: defaultdict[int, list[int]] = defaultdict(list)
        for number, example in enumerate(draws.examples):
            for passage in example.positives:
                queries[passage].append(number)
        self._passages = np.array(sorted(queries))
        self._queries = {passage: np.array(numbers) for passage, numbers in queries.items()}
        self._weights = np.array([len(example.positives) ** -0.5 for example in draws.examples])

    def __len__(self) -> int:
        return -(-len(self._passages) // self.piece)

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.random.default_rng([self.seed, self.epoch, _ORDER]).permutation(self._passages)
        index = 0
        for number, start in enumerate(range(0, len(order), self.piece)):
            pairs = self._draw(order[start : start + self.piece].tolist(), number)
            yield [(self.epoch, index + place, *pair) for place, pair in enumerate(pairs)]
            index += len(pairs)

    def _draw(self, passages: list[int], batch: int) -> list[tuple[int, int]]:
        """Different queries of a piece, each with one of its positives there."""
        generator = np.random.default_rng([self.seed, self.epoch, _QUERIES, batch])
        numbers = np.concatenate([self._queries[passage] for passage in passages])
        places = np.repeat(passages, [len(self._queries[passage]) for passage in passages])
        # The largest of random**(1/weight) is a weighted draw without replacement (Efraimidis and Spirakis 2006); of a
        # query's several pairs the best one stands for it, so that its weight is their sum.
        best = np.argsort(-np.log(generator.random(len(numbers))) / self._weights[numbers], kind="stable")
        _, first = np.unique(numbers[best], return_index=True)
        chosen = best[np.sort(first)[: self.batch_size]]
        return [(int(numbers[pair]), int(places[pair])) for pair in chosen]


def make_plan(draws: Draws, recipe: dict[str, Any], seed: int) -> BatchPlan:
    """The plan that a recipe's ``batch_size`` and ``queries_per_passage`` ask for."""
    queries_per_passage = recipe.get("queries_per_passage")
    if queries_per_passage is not None:
        return ByPassage(draws, recipe["batch_size"], queries_per_passage, seed)
    return ByQuery(len(draws), recipe["batch_size"], seed)
