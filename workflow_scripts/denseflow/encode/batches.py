"""Texts into vectors, in batches of texts of like length."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device

from denseflow.encoder import Kind, dimensions, embed, tokenize

CPU_BATCH_TOKENS = 4096  # larger ones leave the caches, smaller ones make threads wait: see benchmarks/encoding.py
GPU_BATCH_TOKENS = 32768

_UNPADDED = {"text": {"padding": False}, "common": {"return_tensors": None}}
_AT_ONCE = 1000  # texts given to the tokenizer; its lists of Python integers are large

Row = dict[str, np.ndarray]
"""The features of one text, int32, each of shape (tokens,)."""


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
    rows, common = _tokenize(model, texts, kind)
    vectors = np.empty((len(texts), dimensions(model)), dtype=np.float32)
    with torch.inference_mode():
        for places in make_batches([len(row["input_ids"]) for row in rows], batch_tokens):
            features = {**common, **_pad(model.tokenizer, [rows[place] for place in places])}
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


def _tokenize(model: SentenceTransformer, texts: Sequence[str], kind: Kind) -> tuple[list[Row], dict[str, Any]]:
    """The features of each text without padding, and those that all texts share."""
    rows: list[Row] = []
    common: dict[str, Any] = {}
    for start in range(0, len(texts), _AT_ONCE):
        features = tokenize(model, texts[start : start + _AT_ONCE], kind, processing_kwargs=_UNPADDED)
        lists = {name: value for name, value in features.items() if isinstance(value, list)}
        common = {name: value for name, value in features.items() if name not in lists}
        lists.pop("attention_mask", None)
        for values in zip(*lists.values(), strict=True):
            rows.append({name: np.array(value, dtype=np.int32) for name, value in zip(lists, values, strict=True)})
    return rows, common


def _pad(tokenizer: Any, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """A batch, int64, shape (rows, longest), with its attention mask."""
    fill = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id}
    lengths = np.array([len(row["input_ids"]) for row in rows])
    used = np.arange(lengths.max())[None, :] < lengths[:, None]
    if tokenizer.padding_side == "left":
        used = used[:, ::-1].copy()
    batch = {}
    for name in rows[0]:
        table = np.full(used.shape, fill.get(name, 0), dtype=np.int64)
        table[used] = np.concatenate([row[name] for row in rows])
        batch[name] = torch.from_numpy(table)
    batch["attention_mask"] = torch.from_numpy(used.astype(np.int64))
    return batch
