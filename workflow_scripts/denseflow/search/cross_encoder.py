"""Scores of pairs of queries and passages by a cross-encoder, in batches of pairs of like length."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.util import batch_to_device

from denseflow.cpu.quick import quick_on_cpu
from denseflow.cross_encoder import load_cross_encoder, pair_scores, read_pair_contract, tokenize_pair_rows
from denseflow.encode.batches import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS, make_batches
from denseflow.errors import DenseflowError
from denseflow.token_rows import pad_rows, row_length

__all__ = ["load_cross_encoder", "read_pair_contract", "score_pairs"]


def score_pairs(
    model: CrossEncoder,
    pairs: Sequence[tuple[str, str]],
    *,
    batch_tokens: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """The scores of pairs, in their order: those of ``CrossEncoder.predict`` without an activation.

    Each pair is tokenised once; then the longest pairs are scored first, as many at once as fit into the budget when
    padded to the longest. Batches depend on the pairs and on the budget alone, so that the same pairs give the same
    bits.

    Args:
        model: What :func:`load_cross_encoder` gives.
        pairs: Query and passage, the latter as :func:`denseflow.contract.passage_text` gives it; the contract's
            prefixes are put before them here.
        batch_tokens: Tokens in a batch, padding included; a longer pair makes a batch alone. None: what is quick on
            the model's device.
        advance: Called with the size of each batch when it is done.

    Returns:
        float32, shape (pairs,).

    Raises:
        DenseflowError: A score is not finite.
    """
    if batch_tokens is None:
        batch_tokens = CPU_BATCH_TOKENS if model.device.type == "cpu" else GPU_BATCH_TOKENS
    scores = np.empty(len(pairs), dtype=np.float32)
    if not pairs:
        return scores
    rows, common = tokenize_pair_rows(model, pairs)
    with torch.inference_mode(), quick_on_cpu(model.device):
        for places in make_batches([row_length(row) for row in rows], batch_tokens):
            features = {**common, **pad_rows(model, [rows[place] for place in places])}
            output = pair_scores(model, batch_to_device(features, model.device))
            scores[places] = output.float().cpu().numpy()
            advance(len(places))
    broken = np.flatnonzero(~np.isfinite(scores))
    if len(broken):
        raise DenseflowError(
            f"the cross-encoder gives {scores[broken[0]]} to the query {pairs[broken[0]][0][:60]!r} and "
            f"{len(broken) - 1} other pairs, expected finite numbers; its weights are broken, train it again with fp32"
        )
    return scores
