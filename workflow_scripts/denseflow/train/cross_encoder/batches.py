"""From the draws of a batch to what a cross-encoder and its loss take."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import CrossEncoder

from denseflow.contract import passage_text
from denseflow.cross_encoder import read_pair_contract, tokenize_pair_rows
from denseflow.negatives.training_file import TrainingSet
from denseflow.token_rows import pad_rows, row_length
from denseflow.train.examples import Draw
from denseflow.train.pieces import cut_pieces

_DROPOUT = 3  # as in denseflow.train.batches: beside the kinds of draws that share the seed


class PairBatches:
    """Collates draws: a pair for a query and its positive, and one for each of its negatives.

    A batch is a dictionary of ``pairs``, a list of pieces, shortest pairs first, so that little is padded; and
    ``places``, which :class:`denseflow.train.losses.pairs.PairLoss` takes.
    """

    def __init__(
        self, model: CrossEncoder, training_set: TrainingSet, *, seed: int, micro_batch: int | None = None
    ) -> None:
        """Collate for ``model``.

        Args:
            model: The cross-encoder, whose contract says how pairs are tokenised.
            training_set: What the draws' numbers refer to.
            seed: Of the dropout.
            micro_batch: The most pairs a piece, where fewer than 32 are wanted. Smaller pieces draw other dropout.
        """
        self.model, self.seed, self.examples = model, seed, training_set.examples
        self.micro_batch = micro_batch
        contract = read_pair_contract(model)
        self.texts = [passage_text(document, contract) for document in training_set.passages]

    def __call__(self, draws: Sequence[Draw]) -> dict[str, Any]:
        """The batch of ``draws``."""
        pairs = [
            (self.examples[draw.example].query, self.texts[passage])
            for draw in draws
            for passage in (draw.positive, *draw.negatives)
        ]
        rows, common = tokenize_pair_rows(self.model, pairs)
        lengths = [row_length(row) for row in rows]
        order = np.argsort(lengths, kind="stable")
        pieces = [
            {**common, **pad_rows(self.model, [rows[place] for place in order[piece]])}
            for piece in cut_pieces(sorted(lengths), self.micro_batch)
        ]
        first = draws[0]  # in no other batch
        seeds = np.random.SeedSequence([self.seed, first.epoch, first.index, _DROPOUT]).generate_state(len(pieces))
        return {
            "pairs": [{**piece, "seed": int(seed)} for piece, seed in zip(pieces, seeds, strict=True)],
            "places": self._places(draws, order),
        }

    @staticmethod
    def _places(draws: Sequence[Draw], order: np.ndarray) -> torch.Tensor:
        """[Q, C] where each query's pairs lie in the order of the pieces."""
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        table = torch.full((len(draws), 1 + max(len(draw.negatives) for draw in draws)), -1, dtype=torch.int64)
        start = 0
        for row, draw in enumerate(draws):
            stop = start + 1 + len(draw.negatives)
            table[row, : stop - start] = torch.from_numpy(place[start:stop])
            start = stop
        return table
