"""Work that is prepared in a thread while the piece before is computed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_END = object()


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; while the caller works on one, the next one is made in a thread.

    No more than these two are held at a time. An error of ``items`` comes where the item would have come.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        following = pool.submit(next, items, _END)
        while (item := following.result()) is not _END:
            following = pool.submit(next, items, _END)
            yield item  # type: ignore[misc]
