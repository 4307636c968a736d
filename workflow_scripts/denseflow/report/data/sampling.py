"""Which texts are looked at where all would take too long: the same ones each time."""

from random import Random
from typing import TypeVar

T = TypeVar("T")

SEED = 0


def sampled_rows(count: int, most: int) -> list[int]:
    """The numbers of all ``count`` rows, or of ``most`` of them drawn with :data:`SEED`; ascending."""
    return list(range(count)) if count <= most else sorted(Random(SEED).sample(range(count), most))


def sampled(texts: dict[str, T], most: int) -> dict[str, T]:
    """At most ``most`` of the entries, in their order."""
    ids = list(texts)
    return {ids[row]: texts[ids[row]] for row in sampled_rows(len(ids), most)}
