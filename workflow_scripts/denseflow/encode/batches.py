"""Texts into vectors, in batches of texts of like length."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.model import BaseModel
from sentence_transformers.util import batch_to_device

from denseflow.cpu.quick import quick_on_cpu
from denseflow.encode.compiled import is_compiled
from denseflow.encoder import Kind, dimensions, embed
from denseflow.token_rows import Row, pad_rows, row_length, tokenize_rows

CPU_BATCH_TOKENS = 4096  # larger ones leave the caches, smaller ones make threads wait: see benchmarks/encoding.py
GPU_BATCH_TOKENS = 32768

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
_AT_ONCE = 4096  # vectors that a GPU keeps before they are fetched, so that it need not wait at each batch


def encode_texts(
    model: SentenceTransformer,
    texts: Sequence[str],
    kind: Kind,
    *,
    precision: str = "fp32",
    batch_tokens: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """The vectors of texts, in their order: each text is tokenised once, then see :func:`encode_rows`.

    Args:
        model: The encoder, in evaluation mode on its device.
        texts: Queries, or passages with their titles.
        kind: Which of the contract's two sides applies.
        precision: See :func:`encode_rows`.
        batch_tokens: See :func:`encode_rows`.
        advance: See :func:`encode_rows`.

    Returns:
        float32, shape (texts, dimensions).
    """
    rows, common = tokenize_rows(model, texts, kind)
    return encode_rows(model, rows, common, kind, precision=precision, batch_tokens=batch_tokens, advance=advance)


def encode_rows(
    model: SentenceTransformer,
    rows: Sequence[Row],
    common: Mapping[str, Any],
    kind: Kind,
    *,
    precision: str = "fp32",
    batch_tokens: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """The vectors of tokenised texts, in their order.

    The longest texts are encoded first, as many at once as fit into the budget when padded to the longest. Batches
    depend on the texts and on the budget alone, so that the same texts give the same bits.

    Args:
        model: The encoder, in evaluation mode on its device.
        rows: The texts, as :func:`denseflow.token_rows.tokenize_rows` gives them.
        common: The features that all of them share, from the same function.
        kind: Which of the contract's two sides applies.
        precision: ``fp32``, or ``bf16`` or ``fp16``, in which matrices are multiplied then, as in mixed-precision
            training; sums, norms and the vectors are float32.
        batch_tokens: Tokens in a batch, padding included; a longer text makes a batch alone. None: what is quick on
            the model's device.
        advance: Called with how many more are done.

    Returns:
        float32, shape (texts, dimensions).
    """
    device = model.device
    if batch_tokens is None:
        batch_tokens = CPU_BATCH_TOKENS if device.type == "cpu" else GPU_BATCH_TOKENS
    vectors = np.empty((len(rows), dimensions(model)), dtype=np.float32)
    places: list[int] = []
    outputs: list[torch.Tensor] = []

    def fetch() -> None:
        if outputs:
            vectors[places] = torch.cat(outputs).cpu().numpy()
            advance(len(places))
            places.clear()
            outputs.clear()

    for batch, output in encode_batches(model, rows, common, kind, precision, batch_tokens):
        places += batch
        outputs.append(output.float())
        if device.type == "cpu" or len(places) >= _AT_ONCE:
            fetch()
    fetch()
    return vectors


def encode_batches(
    model: BaseModel, rows: Sequence[Row], common: Mapping[str, Any], kind: Kind, precision: str, batch_tokens: int
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Yield the places of a batch's texts and what the encoder makes of them, shape (texts, dimensions), on its device.

    Arguments are those of :func:`encode_rows`.
    """
    device = model.device
    shared = batch_to_device(dict(common), device)
    with torch.inference_mode(), _computing(model, precision):
        for batch in make_batches([row_length(row) for row in rows], batch_tokens):
            features = pad_rows(model, [rows[place] for place in batch], kind)
            yield batch, embed(model, {**shared, **_to_device(features, device)}, kind)


def make_batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yield batches of places, longest first, whose size times greatest length is at most ``batch_tokens``."""
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    start = 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


def _computing(model: BaseModel, precision: str) -> AbstractContextManager[Any]:
    if precision != "fp32":
        return torch.autocast(model.device.type, dtype=_HALF[precision])
    return nullcontext() if is_compiled(model) else quick_on_cpu(model.device)


def _to_device(features: Mapping[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """The features on the device; a GPU fetches them from pinned memory, and the program goes on meanwhile."""
    if device.type != "cuda":
        return {name: value.to(device) for name, value in features.items()}
    return {name: value.pin_memory().to(device, non_blocking=True) for name, value in features.items()}
