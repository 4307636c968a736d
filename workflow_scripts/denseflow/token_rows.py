"""Texts as rows of token ids: tokenised without padding, and padded when it is known which are encoded together."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.model import BaseModel

from denseflow.encoder import Kind, tokenize
from denseflow.errors import DenseflowError
from denseflow.sides import find_tokenizer

_UNPADDED = {"text": {"padding": False}, "common": {"return_tensors": None}}
_AT_ONCE = 1000  # texts given to the tokenizer; its lists of Python integers are large

T = TypeVar("T")

Row = dict[str, np.ndarray]
"""The features of one text, int32, each of shape (tokens,)."""


def tokenize_rows(model: SentenceTransformer, texts: Sequence[str], kind: Kind) -> tuple[list[Row], dict[str, Any]]:
    """The features of each text, as :func:`denseflow.encoder.tokenize` gives them, and those that all texts share.

    Raises:
        DenseflowError: A text has no tokens at all, as an empty one where the tokenizer adds none.
    """
    rows, common = collect_rows(lambda some, **options: tokenize(model, some, kind, **options), texts)
    if not all(map(row_length, rows)):
        raise DenseflowError(
            f"a {kind} without words has no tokens, and so no vector, as the model's tokenizer adds none of its own; "
            "set contract.add_eos: true in the model's file"
        )
    return rows, common


def collect_rows(tokenize: Callable[..., dict[str, Any]], inputs: Sequence[T]) -> tuple[list[Row], dict[str, Any]]:
    """The features of each input, texts or pairs of texts, and those that all of them share.

    Args:
        tokenize: Gives the features of some inputs, by sentence-transformers' ``preprocess`` with options of it.
        inputs: In any number.
    """
    rows: list[Row] = []
    common: dict[str, Any] = {}
    for start in range(0, len(inputs), _AT_ONCE):
        features = tokenize(inputs[start : start + _AT_ONCE], processing_kwargs=_UNPADDED)
        lists = {name: value for name, value in features.items() if isinstance(value, list)}
        common = {name: value for name, value in features.items() if name not in lists}
        lists.pop("attention_mask", None)
        for values in zip(*lists.values(), strict=True):
            rows.append({name: np.array(value, dtype=np.int32) for name, value in zip(lists, values, strict=True)})
    return rows, common


def row_length(row: Row) -> int:
    """The tokens of a text, prefix and special tokens included."""
    return len(row["input_ids"])


def pad_rows(model: BaseModel, rows: Sequence[Row], kind: Kind = "passage") -> dict[str, torch.Tensor]:
    """The features of a batch, int64, shape (rows, longest), with ``attention_mask``; padded as its tokenizer says."""
    tokenizer = find_tokenizer(model, kind)
    fill = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id}
    lengths = np.array([row_length(row) for row in rows])
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
