"""Histograms: how many things have how much of something."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

BARS = 25
"""About how many bars a histogram of lengths has."""

_STEPS = (1, 2, 5)
_COUNTS = (0, 1, 2, 3, 4, 5, 10, 20, 50, 100, 200, 500, 1000)


class Bar(NamedTuple):
    """How many ``things`` have at least ``low`` and at most ``high``."""

    low: int
    high: int
    things: int

    @property
    def label(self) -> str:
        """``3`` or ``5-9``."""
        return f"{self.low:,}" if self.low == self.high else f"{self.low:,}-{self.high:,}"


def of_lengths(lengths: Counter[int]) -> list[Bar]:
    """Bars of one round width up to what 99 of 100 do not exceed; a last one holds all that is longer."""
    if not lengths:
        return []
    usual, longest = _most_of(lengths, 99), max(lengths)
    width = _round_width(usual / BARS)
    last = (usual // width + 1) * width
    starts = list(range(min(lengths) // width * width, last, width))
    bars = Counter[int]()
    for length, count in lengths.items():
        bars[min(length // width * width, last)] += count
    found = [Bar(start, start + width - 1, bars[start]) for start in starts]
    return [*found, Bar(last, longest, bars[last])] if bars[last] else found


def of_counts(counts: Iterable[int]) -> list[Bar]:
    """Bars for small numbers one by one, and for larger ones together; empty ones at both ends are left out."""
    numbers = Counter(counts)
    if not numbers:
        return []
    ends = [*(start - 1 for start in _COUNTS[1:]), max(*numbers, _COUNTS[-1])]
    bars = [
        Bar(low, high, sum(count for number, count in numbers.items() if low <= number <= high))
        for low, high in zip(_COUNTS, ends, strict=True)
    ]
    filled = [place for place, bar in enumerate(bars) if bar.things]
    return bars[filled[0] : filled[-1] + 1]


def _most_of(lengths: Counter[int], percent: int) -> int:
    """The least length that ``percent`` of 100 do not exceed."""
    reached = 0
    for length in sorted(lengths):
        reached += lengths[length]
        if 100 * reached >= percent * lengths.total():
            break
    return length


def _round_width(least: float) -> int:
    """The least of 1, 2, 5, 10, 20, ... that is not below ``least``."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power >= least:
                return step * power
        power *= 10
