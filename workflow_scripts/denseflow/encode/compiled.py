"""An encoder compiled by torch.compile, for texts of any length and number."""

import torch
from torch import nn

from denseflow.attention import transformers_of


def compile_encoder(model: nn.Module) -> None:
    """Let torch.compile compile each transformer of an encoder when it is first used; its weights stay as they are."""
    for transformer in transformers_of(model):
        # sentence-transformers calls this method itself, so that Module.compile would change nothing.
        transformer.forward = torch.compile(transformer.forward, dynamic=True)  # type: ignore[method-assign]


def is_compiled(model: nn.Module) -> bool:
    """Whether :func:`compile_encoder` was called for this encoder."""
    return any("forward" in vars(transformer) for transformer in transformers_of(model))
