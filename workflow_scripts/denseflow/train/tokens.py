"""Token ids of texts, made once and padded anew for each piece of a batch."""

from collections.abc import Callable, Sequence

from sentence_transformers import SentenceTransformer

from denseflow.encoder import Kind
from denseflow.token_rows import Row, pad_rows, row_length, tokenize_rows
from denseflow.train.grad_cache import Features
from denseflow.train.pieces import cut_pieces

MOST_KEPT = 1_000_000
"""Texts whose token ids are kept; at 156 tokens they take 1.2 GB."""


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
        self._rows: dict[int, Row] = {}
        self._shared: Features = {}

    def lengths(self, numbers: Sequence[int]) -> list[int]:
        """Tokens of each text, prefix and special tokens included."""
        return [row_length(row) for row in self._get(numbers)]

    def pieces(self, numbers: Sequence[int], micro_batch: int | None = None) -> list[Features]:
        """The texts in the order given, cut by :func:`cut_pieces`, each piece padded to its own longest text."""
        rows = self._get(numbers)
        return [
            {**self._shared, **pad_rows(self._model, rows[piece], self._kind), "kind": self._kind}
            for piece in cut_pieces([row_length(row) for row in rows], micro_batch)
        ]

    def _get(self, numbers: Sequence[int]) -> list[Row]:
        missing = [number for number in dict.fromkeys(numbers) if number not in self._rows]
        new = dict(zip(missing, self._tokenize(missing), strict=True)) if missing else {}
        rows = [new[number] if number in new else self._rows[number] for number in numbers]
        for number in missing[: max(0, MOST_KEPT - len(self._rows))]:
            self._rows[number] = new[number]
        return rows

    def _tokenize(self, numbers: Sequence[int]) -> list[Row]:
        rows, self._shared = tokenize_rows(self._model, [self._text(number) for number in numbers], self._kind)
        return rows
