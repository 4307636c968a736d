"""What training sees of each query in each epoch, as a function of (seed, epoch, query) alone.

Nothing here depends on what was drawn before, so that workers, interruptions and resuming change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch.utils.data import Dataset

from denseflow.negatives.training_file import TrainingSet

# Keeps the kinds of draws apart that share a seed; plans.py and batches.py have theirs.
_POSITIVES, _NEGATIVES = 0, 1

Key = tuple[int, int] | tuple[int, int, int, int]
"""(epoch, index) of a draw; or (epoch, index, example, positive), where the plan of the batch chose these."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One query with a positive and hard negatives; passages are positions in ``TrainingSet.passages``."""

    epoch: int
    index: int
    """The draw's place in the dataset; with ``epoch`` it names the draw."""
    example: int
    """The query's place in ``TrainingSet.examples``."""
    positive: int
    negatives: tuple[int, ...]


class Draws(Dataset[Draw]):
    """The draws of all epochs: item (epoch, index).

    A query has as many draws an epoch as ``positives_per_query`` asks for and as it has positives, each with another
    positive. A query's positives and negatives are gone through in a seeded order, without replacement: none comes
    again before all have come, in an epoch and over epochs.
    """

    def __init__(
        self,
        training_set: TrainingSet,
        *,
        seed: int,
        negatives_per_query: int,
        positive: Literal["random", "first"] = "random",
        positives_per_query: int = 1,
    ) -> None:
        """Set up the draws.

        Args:
            training_set: The examples.
            seed: Of the orders of positives and negatives.
            negatives_per_query: Hard negatives a draw; an example that has fewer gives all it has.
            positive: ``random`` takes the positives in a seeded order, ``first`` always the first ones of the file.
            positives_per_query: Positives a query and epoch.
        """
        self.examples = training_set.examples
        self.seed = seed
        self.negatives_per_query = negatives_per_query
        self.positive = positive
        self._negatives_per_query = training_set.negatives_per_query
        draws = np.minimum(training_set.positives_per_query(), positives_per_query)
        # The draws of an example follow each other; these are the numbers of each one's last draw and one.
        self._ends = np.cumsum(draws)

    def __len__(self) -> int:
        """Draws an epoch."""
        return int(self._ends[-1])

    def __getitem__(self, key: Key) -> Draw:
        """The draw of a key."""
        if len(key) == 4:
            epoch, index, number, positive = key
            negatives = self.examples[number].negatives
            return Draw(
                epoch,
                index,
                number,
                positive,
                self._take(negatives, self.negatives_per_query, epoch, number, _NEGATIVES),
            )
        epoch, index = key
        number = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[number - 1]) if number else 0
        repetition = index - first
        example = self.examples[number]
        turn = epoch * (int(self._ends[number]) - first) + repetition
        if self.positive == "first":
            positive = example.positives[repetition]
        else:
            (positive,) = self._take(example.positives, 1, turn, number, _POSITIVES)
        return Draw(epoch, index, number, positive, self._negatives(number, turn))

    def _negatives(self, number: int, turn: int) -> tuple[int, ...]:
        return self._take(self.examples[number].negatives, self.negatives_per_query, turn, number, _NEGATIVES)

    def _take(self, passages: Sequence[int], count: int, turn: int, number: int, kind: int) -> tuple[int, ...]:
        count = min(count, len(passages))
        if count == 0:
            return ()
        order = np.random.default_rng([self.seed, number, kind]).permutation(len(passages))
        return tuple(passages[order[(turn * count + place) % len(passages)]] for place in range(count))

    def lacking_negatives(self) -> int:
        """How many examples have fewer negatives than a draw asks for."""
        return sum(count < self.negatives_per_query for count in self._negatives_per_query())


def make_draws(training_set: TrainingSet, recipe: dict[str, Any], seed: int) -> Draws:
    """The draws that a recipe asks for."""
    keys = ("negatives_per_query", "positive", "positives_per_query")
    return Draws(training_set, seed=seed, **{key: recipe[key] for key in keys})
