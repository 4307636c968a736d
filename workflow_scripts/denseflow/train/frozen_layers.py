"""Freezing a transformer's lower layers, whose general knowledge a small data set would only blur.

Lee et al. 2019, "What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning"
(https://arxiv.org/abs/1911.03090).
"""

from torch import nn

from denseflow.errors import DenseflowError


def freeze_layers(transformer: nn.Module, count: int) -> None:
    """Freeze the embeddings and the first ``count`` layers of a transformer, in place.

    No gradient flows below the lowest layer that learns, so that a step is quicker too.

    Args:
        transformer: A model of transformers'.
        count: How many layers, 0 for the embeddings alone.

    Raises:
        DenseflowError: It has no more layers than that, or no list of layers.
    """
    layers = _layers(transformer)
    if count >= len(layers):
        raise DenseflowError(
            f"recipe.frozen_layers: {count}, but the model has {len(layers)} layers, of which one must learn; expected "
            f"at most {len(layers) - 1}"
        )
    above = {weights for layer in layers[count:] for weights in layer.parameters()}
    _freeze_before(layers, transformer)
    for layer in layers[:count]:
        for weights in layer.parameters():
            weights.requires_grad_(weights in above)  # layers that share their weights, as ALBERT's, learn together


def _freeze_before(layers: nn.ModuleList, module: nn.Module) -> None:
    """Freeze what stands before the layers; what stands behind them, such as a last norm, learns."""
    for child in module.children():
        if child is layers:
            return
        if any(inner is layers for inner in child.modules()):
            return _freeze_before(layers, child)
        child.requires_grad_(False)


def _layers(transformer: nn.Module) -> nn.ModuleList:
    number = getattr(transformer.config, "num_hidden_layers", None)
    for module in transformer.modules():
        if isinstance(module, nn.ModuleList) and len(module) == number:
            return module
    raise DenseflowError(
        f"recipe.frozen_layers: {type(transformer).__name__} has no list of {number} layers; leave the key out"
    )
