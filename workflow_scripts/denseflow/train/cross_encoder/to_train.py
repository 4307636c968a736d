"""From a base model to the cross-encoder that a recipe trains."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentence_transformers import CrossEncoder

from denseflow.contract import read_contract
from denseflow.cross_encoder import (
    PairContract,
    apply_pair_contract,
    is_cross_encoder,
    load_cross_encoder,
    new_cross_encoder,
)
from denseflow.encoder import load_encoder
from denseflow.train.encoder_to_train import set_memory_and_dropout
from denseflow.train.trained_weights import TrainedWeights, choose_weights

LOG = logging.getLogger("denseflow")


@dataclass(frozen=True)
class CrossEncoderToTrain:
    """A cross-encoder, its whole contract, which of its weights are trained, and the names of those that are new."""

    model: CrossEncoder
    contract: PairContract
    weights: TrainedWeights
    new: list[str]


def cross_encoder_to_train(
    folder: Path, recipe: dict[str, Any], contract: dict[str, Any], *, seed: int, device: str
) -> CrossEncoderToTrain:
    """Load a cross-encoder, or put a new head on an encoder, and make of it what the recipe trains.

    Args:
        folder: The base model, a cross-encoder or an encoder.
        recipe: The recipe.
        contract: What differs from the base's contract; None or a missing key keeps it.
        seed: Of new weights.
        device: torch's name of a device.

    Raises:
        DenseflowError: The folder is broken, or does not go with the recipe or the contract.
    """
    new: list[str] = []
    if is_cross_encoder(folder):
        model = load_cross_encoder(folder, device=device)
    else:
        model, new = new_cross_encoder(folder, read_contract(load_encoder(folder)), seed=seed, device=device)
        LOG.info("training: a cross-encoder with new weights: %s", ", ".join(new))
    whole = apply_pair_contract(model, contract)
    set_memory_and_dropout(model, recipe)
    transformer: Any = model[0]
    named = dict(transformer.auto_model.named_parameters())
    head = [named[name] for name in new]
    weights = choose_weights(model, recipe, seed)
    for parameter in head:  # its weights are random: they learn whatever is chosen
        parameter.requires_grad_(True)
    return CrossEncoderToTrain(model, whole, weights, new)
