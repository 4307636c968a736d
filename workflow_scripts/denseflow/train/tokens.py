"""Token ids of texts, made once and padded anew for each piece of a batch."""

from collections.abc import Callable, Sequence

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from denseflow.encoder import Kind, tokenize
from denseflow.train.grad_cache import Features

MOST_KEPT = 1_000_000
"""Texts whose token ids are kept; at 156 tokens they take 1.2 GB."""

_Row = dict[str, Tensor]


class Tokens:
    """The features of numbered texts, as :func:`denseflow.encoder.tokenize` gives them."""

    def __init__(self, model: SentenceTransformer, text: Callable[[int], str], kind: Kind) -> None:
        """Tokenise for ``model``.

        Args:
            model: The encoder, whose contract says prefix and maximum length.
            text: Gives the text of a number.
            kind: Whether the texts are queries or passages.
        """
        self._model, self._text, self._kind = model, text, kind
        self._rows: dict[int, _Row] = {}
        self._shared: Features = {}
        tokenizer = model.tokenizer
        self._padding = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id}
        self._left = tokenizer.padding_side == "left"

    def lengths(self, numbers: Sequence[int]) -> list[int]:
        """Tokens of each text, prefix and special tokens included."""
        return [len(row["input_ids"]) for row in self._get(numbers)]

    def pieces(self, numbers: Sequence[int], size: int) -> list[Features]:
        """The texts in the order given, ``size`` a piece, each piece padded to its own longest text."""
        rows = self._get(numbers)
        return [self._pad(rows[start : start + size]) for start in range(0, len(rows), size)]

    def _get(self, numbers: Sequence[int]) -> list[_Row]:
        missing = [number for number in dict.fromkeys(numbers) if number not in self._rows]
        new = dict(zip(missing, self._tokenize(missing), strict=True)) if missing else {}
        rows = [new[number] if number in new else self._rows[number] for number in numbers]
        for number in missing[: max(0, MOST_KEPT - len(self._rows))]:
            self._rows[number] = new[number]
        return rows

    def _tokenize(self, numbers: Sequence[int]) -> list[_Row]:
        features = tokenize(self._model, [self._text(number) for number in numbers], self._kind)
        mask = features.pop("attention_mask").bool()
        table = {name: value for name, value in features.items() if torch.is_tensor(value) and value.dim() == 2}
        self._shared = {name: value for name, value in features.items() if name not in table}
        return [
            {name: value[place][mask[place]].to(torch.int32) for name, value in table.items()}
            for place in range(len(numbers))
        ]

    def _pad(self, rows: Sequence[_Row]) -> Features:
        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        longest = int(lengths.max())
        used = torch.arange(longest)[None, :] < lengths[:, None]
        if self._left:
            used = used.flip(1)
        piece: Features = {**self._shared, "kind": self._kind}
        for name in rows[0]:
            piece[name] = torch.full((len(rows), longest), self._padding.get(name, 0), dtype=torch.int64)
            piece[name][used] = torch.cat([row[name] for row in rows]).long()
        piece["attention_mask"] = used.long()
        return piece
