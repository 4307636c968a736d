"""Work in pieces of a fixed size, each by one thread, so that no result depends on how many threads there are.

numpy's matrix products are taken by one thread each, and several at once: this is quicker than one product by several
threads, and its bits depend on the piece alone.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")


def in_order(function: Callable[[T], R], pieces: Iterable[T], threads: int) -> Iterator[R]:
    """Yield ``function`` of each piece, in order, while the pieces behind it are worked on.

    No more than twice as many results as there are threads wait at a time. An error ends it, the first piece's first.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(function, piece))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def single_blas() -> threadpool_limits:
    """A context in which each matrix product is computed by the thread that asks for it."""
    return threadpool_limits(1, user_api="blas")
