"""Attention with dropout, a few texts at a time, so that the scores stay in the processor's cache.

torch has a routine of that kind for attention without dropout only. With dropout it keeps four matrices of scores for
the backward pass; this keeps one, and which values were dropped.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from denseflow.cpu.dropout import draw_kept

_SCORES_AT_ONCE = 1 << 20


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """``torch.nn.functional.scaled_dot_product_attention`` of float32 query, key and value, [B, H, L, D] each.

    A row of ``attn_mask``, bool [B, 1 or H, L, L], that allows nothing gives the mean of all values, where torch gives
    0: it belongs to padding, which no vector uses.
    """
    same = query.dim() == 4 and query.shape == key.shape == value.shape
    masked = attn_mask is None or (attn_mask.dtype == torch.bool and attn_mask.dim() == 4)
    if not same or not masked or not 0 < dropout_p < 1 or is_causal or enable_gqa:
        return NotImplemented
    if attn_mask is not None:
        attn_mask = attn_mask.expand(len(query), -1, -1, -1)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return _Attention.apply(query, key, value, attn_mask, dropout_p, scale)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float, scale: float
    ) -> Tensor:
        texts, heads, length, _ = query.shape
        weights = query.new_empty(texts, heads, length, length)
        kept = draw_kept(weights.shape, dropout)  # at once, as transformers' eager attention would draw
        output = _like_tokens(query)
        for some in _slices(weights):
            scores = (query[some] @ key[some].transpose(-1, -2)).mul_(scale)
            if mask is not None:
                scores.masked_fill_(~mask[some], torch.finfo(scores.dtype).min)
            torch.softmax(scores, -1, out=weights[some])
            output[some] = (torch.mul(weights[some], kept[some], out=scores) @ value[some]).div_(1 - dropout)
        context.save_for_backward(query, key, value, weights, kept)
        context.dropout, context.scale = dropout, scale
        return output

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights, kept = context.saved_tensors
        of_query, of_key, of_value = (_like_tokens(query) for _ in range(3))
        for some in _slices(weights):
            incoming = gradient[some] / (1 - context.dropout)
            of_value[some] = (weights[some] * kept[some]).transpose(-1, -2) @ incoming
            of_weights = (incoming @ value[some].transpose(-1, -2)).mul_(kept[some])
            of_scores = torch._softmax_backward_data(of_weights, weights[some], -1, torch.float32).mul_(context.scale)
            of_query[some] = of_scores @ key[some]
            of_key[some] = of_scores.transpose(-1, -2) @ query[some]
        return of_query, of_key, of_value, None, None, None


def _slices(weights: Tensor) -> list[slice]:
    """Texts that are computed together."""
    size = max(1, _SCORES_AT_ONCE // weights[0].numel())
    return [slice(start, start + size) for start in range(0, len(weights), size)]


def _like_tokens(values: Tensor) -> Tensor:
    """Room for [B, H, L, D], laid out as [B, L, H, D], which is how the linear layers around have it."""
    return torch.empty_like(values.transpose(1, 2), memory_format=torch.contiguous_format).transpose(1, 2)
