"""Linear layers through oneDNN.

torch multiplies float32 matrices with MKL, which on AMD's processors runs at half their speed; oneDNN, which torch
uses for other types, does not.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    """``torch.nn.functional.linear`` of float32 inputs [..., in], weight [out, in] and bias [out]."""
    if inputs.dim() < 2 or inputs.numel() == 0 or weight.dtype != inputs.dtype:
        return NotImplemented
    if not torch.is_grad_enabled():
        return _multiply(inputs.reshape(-1, inputs.shape[-1]), weight, bias).view(*inputs.shape[:-1], len(weight))
    return _Linear.apply(inputs, weight, bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows = inputs.reshape(-1, inputs.shape[-1])
        context.save_for_backward(rows, weight)
        context.shape = inputs.shape
        return _multiply(rows, weight, bias).view(*inputs.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        rows, weight = context.saved_tensors
        gradient = gradient.reshape(-1, gradient.shape[-1])
        needs_inputs, needs_weight, needs_bias = context.needs_input_grad
        return (
            _multiply(gradient, weight.t()).view(context.shape) if needs_inputs else None,
            _multiply(rows.t(), gradient.t()).t() if needs_weight else None,
            gradient.sum(0) if needs_bias else None,
        )


def _multiply(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``rows @ weight.t() + bias``."""
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
