"""From a recipe to its loss."""

from collections.abc import Callable
from typing import Any

from denseflow.train.losses.flops import Flops
from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.kl import KL
from denseflow.train.losses.margin_mse import MarginMSE
from denseflow.train.losses.matryoshka import Matryoshka
from denseflow.train.losses.mixcse import MixCSE
from denseflow.train.losses.simcse import SimCSE
from denseflow.train.losses.targets import Loss
from denseflow.train.losses.triplet import Triplet

# By the name in the configuration; a loss takes the options of its section by their keys.
_COMPARE_AS_THE_ENCODER: dict[str, Callable[..., Loss]] = {
    "infonce": InfoNCE,
    "triplet": Triplet,
    "margin_mse": MarginMSE,
    "kl": KL,
    "simcse": SimCSE,
}
_COMPARE_BY_THE_COSINE: dict[str, Callable[..., Loss]] = {"mixcse": MixCSE}


def make_loss(recipe: dict[str, Any], similarity: str, *, normalized: bool = False, steps: int = 0) -> Loss:
    """The loss that a recipe asks for.

    Args:
        recipe: ``loss``, a name and that loss's options, of which neutral ones may be missing; and ``matryoshka`` and
            ``flops``, which may be missing.
        similarity: The encoder's: ``dot`` or ``cosine``.
        normalized: Whether the encoder scales its vectors to length 1.
        steps: Optimizer steps of the training, of which ``flops`` takes a share to rise.
    """
    options = {key: value for key, value in recipe["loss"].items() if key != "name"}
    name = recipe["loss"]["name"]
    if name in _COMPARE_BY_THE_COSINE:
        loss = _COMPARE_BY_THE_COSINE[name](**options)
    else:
        loss = _COMPARE_AS_THE_ENCODER[name](**options, similarity=similarity)
    price = recipe.get("flops")
    if price is not None:
        warmup = round(price["warmup_ratio"] * steps)
        return Flops(loss, price["query_weight"], price["passage_weight"], warmup)
    cuts = recipe.get("matryoshka")
    if cuts is None:
        return loss
    dimensions = tuple(cuts["dimensions"])
    return Matryoshka(loss, dimensions, tuple(cuts.get("weights") or [1.0] * len(dimensions)), normalized)
