"""Texts into vectors, in batches of texts of like length."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device

from denseflow.cpu.quick import quick_on_cpu
from denseflow.encoder import Kind, dimensions, embed
from denseflow.token_rows import pad_rows, row_length, tokenize_rows

CPU_BATCH_TOKENS = 4096  # larger ones leave the caches, smaller ones make threads wait: see benchmarks/encoding.py
GPU_BATCH_TOKENS = 32768


def encode_texts(
    model: SentenceTransformer,
    texts: Sequence[str],
    kind: Kind,
    *,
    batch_tokens: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """The vectors of texts, in their order.

    Each text is tokenised once; then the longest texts are encoded first, as many at once as fit into the budget when
    padded to the longest. Batches depend on the texts and on the budget alone, so that the same texts give the same
    bits.

    Args:
        model: The encoder, in evaluation mode on its device.
        texts: Queries, or passages with their titles.
        kind: Which of the contract's two sides applies.
        batch_tokens: Tokens in a batch, padding included; a longer text makes a batch alone. None: what is quick on
            the model's device.
        advance: Called with the size of each batch when it is done.

    Returns:
        float32, shape (texts, dimensions).
    """
    if batch_tokens is None:
        batch_tokens = CPU_BATCH_TOKENS if model.device.type == "cpu" else GPU_BATCH_TOKENS
    rows, common = tokenize_rows(model, texts, kind)
    vectors = np.empty((len(texts), dimensions(model)), dtype=np.float32)
    with torch.inference_mode(), quick_on_cpu(model.device):
        for places in make_batches([row_length(row) for row in rows], batch_tokens):
            features = {**common, **pad_rows(model, [rows[place] for place in places], kind)}
            output = embed(model, batch_to_device(features, model.device), kind)
            vectors[places] = output.float().cpu().numpy()
            advance(len(places))
    return vectors


def make_batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yield batches of places, longest first, whose size times greatest length is at most ``batch_tokens``."""
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size
