"""A query's ranking as trec_eval sees it, and the measure that pytrec_eval computes otherwise."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def trec_order(ranking: Mapping[str, float]) -> list[str]:
    """The documents of a query as trec_eval ranks them: by score as a 32-bit float, ties by id, descending."""
    return sorted(ranking, key=lambda document: (np.float32(ranking[document]), document), reverse=True)


def interpolated_precision(levels: Mapping[str, int], ranking: Mapping[str, float], measure: Any) -> float:
    """IPrec@r: the best precision at any place where at least the share r of the relevant documents is found.

    That share is rounded to a number of documents as trec_eval does since version 9.0.8, half up; pytrec_eval-terrier
    0.5.11 has an older trec_eval, which rounds otherwise and misses the expected outputs of trec_eval's own tests.
    """
    relevant = {document for document, level in levels.items() if level >= measure["rel"]}
    order = trec_order(ranking)
    if measure["judged_only"]:
        order = [document for document in order if document in levels]
    needed = int(measure["recall"] * len(relevant) + 0.5)
    best, found = 0.0, 0
    for place, document in enumerate(order, start=1):
        if document in relevant:
            found += 1
            if found >= needed:
                best = max(best, found / place)
    return best
