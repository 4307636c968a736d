"""From a base encoder to the encoder that a recipe trains."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from torch import nn
from transformers import PreTrainedModel

from denseflow.contract import Contract, apply_contract
from denseflow.cpu.quick import recomputing
from denseflow.encoder import load_encoder
from denseflow.train.dropout import set_dropout
from denseflow.train.encoders import shape_encoders
from denseflow.train.losses.model_fit import refuse_unfit_model
from denseflow.train.trained_weights import TrainedWeights, choose_weights


@dataclass(frozen=True)
class EncoderToTrain:
    """An encoder, its whole contract, and which of its weights are trained."""

    model: SentenceTransformer
    contract: Contract
    weights: TrainedWeights


def encoder_to_train(
    folder: Path, recipe: dict[str, Any], contract: dict[str, Any], *, seed: int, device: str
) -> EncoderToTrain:
    """Load an encoder and make of it what the recipe trains.

    Args:
        folder: The base encoder.
        recipe: The recipe.
        contract: What differs from the base encoder's contract; None or a missing key keeps it.
        seed: Of new weights.
        device: torch's name of a device.

    Raises:
        DenseflowError: The folder is broken, or does not go with the recipe or the contract.
    """
    model = shape_encoders(load_encoder(folder, device=device), recipe, seed)
    whole_contract = apply_contract(model, contract)
    set_memory_and_dropout(model, recipe)
    refuse_unfit_model(recipe, model)
    return EncoderToTrain(model, whole_contract, choose_weights(model, recipe, seed))


def set_memory_and_dropout(model: nn.Module, recipe: dict[str, Any]) -> None:
    """Set the recipe's dropout, and gradient checkpointing, in place."""
    if recipe.get("dropout") is not None:
        set_dropout(model, recipe["dropout"])
    if recipe["gradient_checkpointing"]:
        for module in model.modules():
            if isinstance(module, PreTrainedModel):
                module.activation_checkpointing_enable({"use_reentrant": False, "context_fn": recomputing})
