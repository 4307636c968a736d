"""A context in which an encoder's costly functions use quicker routines on a CPU; the encoder stays as it is."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from denseflow.cpu.attention import attention
from denseflow.cpu.dropout import dropout
from denseflow.cpu.linear import linear

_QUICK: dict[Callable, Callable] = {
    functional.linear: linear,
    functional.dropout: dropout,
    functional.scaled_dot_product_attention: attention,
}
"""torch's functions, and ours of the same arguments, which return NotImplemented where they are no quicker."""


def quick_on_cpu(device: str | torch.device) -> AbstractContextManager[Any]:
    """A context for an encoder's passes on ``device``, in training and without.

    On a CPU, float32 matrices are multiplied by oneDNN, and attention with dropout needs less time and memory; results
    are the same but for the order of sums, and for which values dropout drops. Elsewhere nothing changes, and neither
    does it under autocast, nor where torch does not compute with MKL, which is what is slow here.
    """
    if torch.device(device).type != "cpu" or not (
        torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    ):
        return nullcontext()
    return _Quick()


def recomputing() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """The ``context_fn`` of ``torch.utils.checkpoint``: torch leaves the context above during backward passes."""
    return nullcontext(), _Quick() if _Quick.entered else nullcontext()


class _Quick(TorchFunctionMode):
    entered = 0
    """In how many such contexts the program is."""

    def __enter__(self) -> "_Quick":
        _Quick.entered += 1
        return super().__enter__()

    def __exit__(self, *failure: Any) -> None:
        _Quick.entered -= 1
        super().__exit__(*failure)

    def __torch_function__(
        self, function: Callable, types: Iterable[type], args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        quick = _QUICK.get(function)
        if quick is not None and _is_plain(args[0]):
            result = quick(*args, **kwargs)
            if result is not NotImplemented:
                return result
        return function(*args, **kwargs)


def _is_plain(values: torch.Tensor) -> bool:
    return values.dtype == torch.float32 and values.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
