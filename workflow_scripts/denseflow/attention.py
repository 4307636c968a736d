"""Which implementation of attention an encoder uses. It changes results by floating point alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import torch
from torch import nn
from transformers import PreTrainedModel

from denseflow.errors import DenseflowError

FLASH = "flash_attention_2"


def check_attention(implementation: str | None, device: str, precision: str, key: str) -> None:
    """Refuse an implementation that this machine has not.

    Args:
        implementation: ``eager``, ``sdpa``, ``flash_attention_2``, or None.
        device: torch's name of the device.
        precision: In which it computes.
        key: The option that says so, to name in errors, such as ``recipe.precision``.

    Raises:
        DenseflowError: Flash attention lacks a GPU of its kind, its package, or a half precision.
    """
    if implementation != FLASH:
        return
    lacks = None
    if torch.device(device).type != "cuda":
        lacks = f"needs a CUDA GPU, and this job computes on {device}"
    elif torch.cuda.get_device_capability(device) < (8, 0):
        lacks = f"needs a GPU of compute capability 8.0 or later, and {torch.cuda.get_device_name(device)} is older"
    elif find_spec("flash_attn") is None:
        lacks = "needs the package flash-attn, which is not installed"
    elif precision == "fp32":
        lacks = f"computes in bf16 or fp16, and {key} is fp32"
    if lacks is not None:
        raise DenseflowError(f"run.attention: {FLASH} {lacks}; set it to sdpa, or leave it out")


def set_attention(model: nn.Module, implementation: str | None) -> None:
    """Let each transformer of a model use ``implementation``; None keeps transformers' choice.

    Raises:
        DenseflowError: A transformer has no such implementation.
    """
    if implementation is None:
        return
    for transformer in transformers_of(model):
        try:
            transformer.set_attn_implementation(implementation)
        except (ValueError, ImportError) as error:
            raise _refusal(transformer, implementation, f" ({error})") from error
        if transformer.config._attn_implementation != implementation:
            raise _refusal(transformer, implementation)


@contextmanager
def attention_in_float32(model: nn.Module) -> Iterator[None]:
    """A context for encoding without mixed precision, which flash attention cannot: it becomes ``sdpa`` in it."""
    flash = [t for t in transformers_of(model) if str(t.config._attn_implementation).startswith("flash")]
    for transformer in flash:
        transformer.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        for transformer in flash:
            transformer.set_attn_implementation(FLASH)


def transformers_of(model: nn.Module) -> list[PreTrainedModel]:
    """The transformers of an encoder or a cross-encoder: one, or two where queries have their own."""
    return [module for module in model.modules() if isinstance(module, PreTrainedModel)]


def _refusal(transformer: PreTrainedModel, implementation: str, reason: str = "") -> DenseflowError:
    return DenseflowError(
        f"run.attention: {type(transformer).__name__} has no {implementation}{reason}; leave the key out, and the "
        "model's own is used"
    )
