"""Importing torch and sentence-transformers in two thirds of the time."""

import gc
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def importing() -> Iterator[None]:
    """Within it, imports take less time; what they import is the same.

    Python looks for garbage again and again while a library makes its many lasting objects: it is told to wait, and
    to leave these objects alone afterwards. sentence-transformers imports scikit-learn, and with it half of SciPy, for
    a distance that is not used here: the library is imported when one of its functions is called.
    """
    collecting = gc.isenabled()
    gc.disable()
    stand_in = _Later("sklearn.metrics")
    if stand_in.__name__ not in sys.modules:
        sys.modules[stand_in.__name__] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(stand_in.__name__) is stand_in:
            del sys.modules[stand_in.__name__]
        gc.freeze()
        if collecting:
            gc.enable()


class _Later(ModuleType):
    """Stands in for a module; its functions import it when they are called."""

    def __getattr__(self, function: str) -> Callable[..., Any]:
        if function.startswith("__"):
            raise AttributeError(function)
        return lambda *arguments, **options: getattr(importlib.import_module(self.__name__), function)(
            *arguments, **options
        )
