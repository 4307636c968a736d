"""Dropout whose random numbers are 16 bits wide, which torch's generator gives several times faster."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_VALUES = 1 << 16


def draw_kept(shape: torch.Size, probability: float) -> Tensor:
    """Which values are kept, bool: each is dropped with ``probability``, rounded to a multiple of 1 / 65,536."""
    count = shape.numel()
    words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    return words.view(torch.int16)[:count].view(shape) >= round(probability * _VALUES) - _VALUES // 2


def dropout(inputs: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """``torch.nn.functional.dropout`` of float32 inputs."""
    if not training or inplace or not 0 < p < 1:
        return NotImplemented
    return _Dropout.apply(inputs, p)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, inputs: Tensor, probability: float) -> Tensor:
        kept = draw_kept(inputs.shape, probability)
        context.save_for_backward(kept)
        context.scale = 1 / (1 - probability)
        return (inputs * kept).mul_(context.scale)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (kept,) = context.saved_tensors
        return (gradient * kept).mul_(context.scale), None
