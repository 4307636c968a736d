"""Texts into sparse vectors: a sparse encoder's batches, of which only what is not 0 is kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import select_max_active_dims

from denseflow.encode.batches import encode_batches
from denseflow.encoder import Kind, dimensions
from denseflow.sparse_vectors import from_dense, stack
from denseflow.token_rows import Row, tokenize_rows

CPU_BATCH_TOKENS = 1024  # each has a logit a term: 30,000 of them are 120 MB
GPU_BATCH_TOKENS = 16384


def encode_sparse_texts(
    model: SentenceTransformer,
    texts: Sequence[str],
    kind: Kind,
    *,
    precision: str = "fp32",
    batch_tokens: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> csr_array:
    """The sparse vectors of texts, in their order; see :func:`encode_sparse_rows`."""
    rows, common = tokenize_rows(model, texts, kind)
    return encode_sparse_rows(
        *(model, rows, common, kind), precision=precision, batch_tokens=batch_tokens, advance=advance
    )


def encode_sparse_rows(
    model: SentenceTransformer,
    rows: Sequence[Row],
    common: Mapping[str, Any],
    kind: Kind,
    *,
    precision: str = "fp32",
    batch_tokens: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> csr_array:
    """The sparse vectors of tokenised texts, in their order.

    The encoder is one that :func:`denseflow.splade.is_sparse` knows. Arguments and batches are those of
    :func:`denseflow.encode.batches.encode_rows`, but that batches are smaller where ``batch_tokens`` says nothing.

    Returns:
        float32, shape (texts, terms).
    """
    if batch_tokens is None:
        batch_tokens = CPU_BATCH_TOKENS if model.device.type == "cpu" else GPU_BATCH_TOKENS
    most = getattr(model, "max_active_dims", None)
    places: list[int] = []
    pieces: list[csr_array] = []
    for batch, output in encode_batches(model, rows, common, kind, precision, batch_tokens):
        if most is not None:
            output = select_max_active_dims(output, max_active_dims=most)
        pieces.append(from_dense(output.float().cpu().numpy()))
        places += batch
        advance(len(batch))
    return stack(pieces, dimensions(model))[np.argsort(places)] if places else stack([], dimensions(model))
