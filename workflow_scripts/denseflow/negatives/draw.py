"""Seeded drawing without replacement, for each query by itself."""

from collections.abc import Iterator
from random import Random


def query_random(seed: int, purpose: str, query_id: str) -> Random:
    """A generator that depends on the seed, on what is drawn and on the query: not on other queries or their order."""
    return Random(f"{seed}:{purpose}:{query_id}")


def random_order(size: int, random: Random) -> Iterator[int]:
    """Yield 0 to ``size - 1``, each once, in random order (Fisher and Yates), at a cost of what is taken only.

    The first n of it are the same however many are taken.
    """
    moved: dict[int, int] = {}
    for place in range(size):
        drawn = random.randrange(place, size)
        yield moved.get(drawn, drawn)
        moved[drawn] = moved.get(place, place)
