"""Paraphrase mining: how well the pairs that mean the same stand out among all pairs of sentences."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from sentence_transformers.util import paraphrase_mining_embeddings


class Mined(NamedTuple):
    """What sentence-transformers' ParaphraseMiningEvaluator reports.

    ``f1`` is the best that any threshold on the cosine gives, with its precision, recall and threshold.
    """

    average_precision: float
    f1: float
    precision: float
    recall: float
    threshold: float


def mine(vectors: np.ndarray, same: set[tuple[int, int]], *, top_k: int, max_pairs: int) -> Mined:
    """Rank the pairs of near sentences by their cosine, and score the ranking.

    Args:
        vectors: Shape (sentences, dimensions).
        same: The pairs of rows that mean the same, the smaller number first.
        top_k: Neighbours of a sentence that are looked at.
        max_pairs: How many pairs are ranked at most.
    """
    found = paraphrase_mining_embeddings(torch.from_numpy(vectors), top_k=top_k, max_pairs=max_pairs)
    return score_ranking([(score, (int(min(pair)), int(max(pair))) in same) for score, *pair in found], len(same))


def score_ranking(ranking: Sequence[tuple[float, bool]], relevant: int) -> Mined:
    """Average precision and best F1 of a ranking; pairs of one score count together, at the end of their run.

    The average precision divides by all pairs that mean the same, those that were not found included.

    Args:
        ranking: Each pair's score and whether it means the same, best first.
        relevant: How many pairs mean the same.
    """
    best = Mined(0.0, 0.0, 0.0, 0.0, 0.0)
    area, found, seen = 0.0, 0, 0
    runs = [(score, _truths(run)) for score, run in groupby(ranking, key=lambda pair: pair[0])]
    for place, (score, truths) in enumerate(runs):
        seen += len(truths)
        found += sum(truths)
        if not any(truths):
            continue
        precision, recall = found / seen, found / relevant
        area += precision * sum(truths)
        f1 = 2 * precision * recall / (precision + recall)
        if f1 > best.f1:
            below = runs[min(place + 1, len(runs) - 1)][0]
            best = Mined(0.0, f1, precision, recall, (score + below) / 2)
    return best._replace(average_precision=area / relevant if relevant else 0.0)


def _truths(run: Iterable[tuple[float, bool]]) -> list[bool]:
    return [truth for _, truth in run]
