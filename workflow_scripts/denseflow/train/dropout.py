"""The dropout of a model: whether it has any, and how to give it another."""

import torch

from denseflow.errors import DenseflowError

# Where transformers' attention keeps its dropout as a number, not as a module.
_ATTRIBUTES = ("attention_dropout", "attn_dropout", "dropout", "dropout_p", "dropout_rate", "hidden_dropout")


def has_dropout(model: torch.nn.Module) -> bool:
    """Whether any dropout of the model is above 0, so that two passes of training differ."""
    return any(
        (isinstance(module, torch.nn.Dropout) and module.p > 0)
        or any(isinstance(module.__dict__.get(name), float) and module.__dict__[name] > 0 for name in _ATTRIBUTES)
        for module in model.modules()
    )


def set_dropout(model: torch.nn.Module, probability: float) -> None:
    """Give each dropout of the model this probability, in the loaded model only: its saved configuration stays.

    Raises:
        DenseflowError: The model has no dropout, so that one above 0 cannot be set.
    """
    places = 0
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = probability
            places += 1
        for name in _ATTRIBUTES:
            if isinstance(module.__dict__.get(name), float):
                setattr(module, name, probability)
                places += 1
    if places == 0 and probability > 0:
        raise DenseflowError(
            f"recipe.dropout: {probability}, but the model has no dropout to set; leave the key out, or set it to 0"
        )
