"""What of an encoder is trained: all weights, low-rank adapters, or the biases alone."""

import logging
import shutil
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentence_transformers.base.modules import Dense, Transformer
from torch import nn

from denseflow.errors import DenseflowError
from denseflow.train.adapters import add_adapters, merge_adapters, write_adapter
from denseflow.train.frozen_layers import freeze_layers

LOG = logging.getLogger("denseflow")

ADAPTER = "adapter"


@dataclass
class TrainedWeights:
    """The choice, made in a model.

    Attributes:
        model: The model; of its parameters, those that learn alone require a gradient.
        learning: How many numbers learn.
        total: How many the model has, adapters left out.
        adapters: peft's models by name, empty without LoRA: one, named ``""``, or ``query`` and ``passage``.
        keep_adapter: Whether :meth:`finish` writes the adapters.
    """

    model: nn.Module
    learning: int
    total: int
    adapters: dict[str, nn.Module]
    keep_adapter: bool = False

    def finish(self, folder: Path) -> None:
        """Merge the adapters into the weights that they adapt, so that the model is an ordinary one again.

        Args:
            folder: Gets ``adapter`` in peft's format, where the recipe keeps it; with two encoders ``adapter/query``
                and ``adapter/passage``. It fits the base model's transformer; other trained layers, such as a
                projection, are in the merged model alone.
        """
        shutil.rmtree(folder / ADAPTER, ignore_errors=True)  # of an earlier recipe
        if self.keep_adapter:
            for name, adapted in self.adapters.items():
                write_adapter(adapted, folder / ADAPTER / name)
        merge_adapters(self.model)

    def ordinary_copy(self) -> nn.Module:
        """The model as :meth:`finish` would leave it: a copy where there are adapters to merge, else itself."""
        if not self.adapters:
            return self.model
        copy = deepcopy(self.model)
        merge_adapters(copy)
        return copy


def choose_weights(model: nn.Module, recipe: dict[str, Any], seed: int) -> TrainedWeights:
    """Freeze and adapt in place what the recipe's ``weights`` says; what is frozen already stays so.

    A layer that is new, the recipe's ``projection``, is trained whatever is chosen: its weights are random.

    Args:
        model: A model made of sentence-transformers' modules, its dropout set.
        recipe: ``weights`` (all, lora, bitfit), ``lora`` (rank, alpha, dropout, targets, keep_adapter), ``projection``,
            ``frozen_layers``.
        seed: Of the adapters' first weights, of which the model's vectors do not depend.

    Raises:
        DenseflowError: A target is no linear layer of the model, the model has no biases, or too few layers.
    """
    kind = recipe.get("weights", "all")
    total = _count(model.parameters())
    if "frozen_layers" in recipe:
        for transformer in _learning_transformers(model).values():
            freeze_layers(transformer, recipe["frozen_layers"])
    adapters: dict[str, nn.Module] = {}
    if kind != "all":
        transformers = _learning_transformers(model)
        unfrozen = {weights for weights in model.parameters() if weights.requires_grad}
        chosen = _new_weights(model, recipe) | (_biases(model, unfrozen) if kind == "bitfit" else set())
        for weights in unfrozen - chosen:
            weights.requires_grad_(False)
        if kind == "lora":
            adapters = add_adapters(transformers, recipe["lora"], seed)
    learning = _count(weights for weights in model.parameters() if weights.requires_grad)
    LOG.info("training: weights: %s; of %d numbers %d learn (%.2f%%)", kind, total, learning, 100 * learning / total)
    keep = recipe.get("lora", {}).get("keep_adapter", False)
    return TrainedWeights(model, learning, total, adapters, keep_adapter=keep)


def _learning_transformers(model: nn.Module) -> dict[str, nn.Module]:
    """The transformers that are not frozen: one, named ``""``, or ``query`` and ``passage``."""
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        if isinstance(module, Transformer) and any(weights.requires_grad for weights in module.parameters()):
            found["passage" if "document" in name.split(".") else "query"] = module.auto_model
    return found if len(found) > 1 else dict(zip([""], found.values(), strict=False))


def _new_weights(model: nn.Module, recipe: dict[str, Any]) -> set[nn.Parameter]:
    projections = [module for module in model.modules() if isinstance(module, Dense) and recipe.get("projection")]
    return {weights for projection in projections for weights in projection.parameters() if weights.requires_grad}


def _biases(model: nn.Module, unfrozen: set[nn.Parameter]) -> set[nn.Parameter]:
    biases = {weights for name, weights in model.named_parameters() if name.split(".")[-1] == "bias"} & unfrozen
    if not biases:
        raise DenseflowError(
            "recipe.weights: 'bitfit' trains the biases, but no layer of the model that learns has one; choose 'lora' "
            "or 'all'"
        )
    return biases


def _count(parameters: Iterable[nn.Parameter]) -> int:
    return sum(weights.numel() for weights in parameters)
