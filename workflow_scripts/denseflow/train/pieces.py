"""How a batch is cut into pieces: texts that are encoded together, each piece with its own dropout seed.

The rule is the same on all machines and with and without GradCache, because dropout depends on it.
"""

from collections.abc import Iterator, Sequence

PIECE = 32
"""Texts in a piece at most."""

PIECE_TOKENS = 4096
"""Tokens in a piece at most, padding included; a longer text makes a piece alone. Larger pieces hold more padding and
leave a CPU's caches, smaller ones leave a GPU waiting."""


def cut_pieces(lengths: Sequence[int], micro_batch: int | None = None) -> Iterator[slice]:
    """Yield the places of each piece.

    Args:
        lengths: Tokens of each text, best in ascending order, so that little is padded.
        micro_batch: Texts in a piece at most, where fewer than 32 are wanted. Smaller pieces draw other dropout.
    """
    most = min(PIECE, micro_batch or PIECE)
    start = longest = 0
    for stop, length in enumerate(lengths):
        longest = max(longest, length)
        if stop > start and (stop - start == most or (stop - start + 1) * longest > PIECE_TOKENS):
            yield slice(start, stop)
            start, longest = stop, length
    if lengths:
        yield slice(start, len(lengths))
