"""What a finished training leaves: the model, the models kept along the way, and what is known about them."""

import math
import shutil
from pathlib import Path

import torch
from torch import nn

from denseflow.encoder import save_encoder
from denseflow.errors import DenseflowError
from denseflow.train.dev_evaluation import DevEvaluation
from denseflow.train.encoder_to_train import EncoderToTrain
from denseflow.train.kept_models import KEPT_MODELS, KeptModels
from denseflow.train.trained_weights import ADAPTER

MODEL = "model"


def write_models(
    encoder: EncoderToTrain, folder: Path, scoring: DevEvaluation | None, kept: KeptModels | None
) -> list[str]:
    """Write the best or last weights as ``folder``/model, and the kept ones as ``folder``/kept/step-N/model.

    Returns:
        The files, relative to ``folder``.

    Raises:
        DenseflowError: A weight is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / KEPT_MODELS, ignore_errors=True)  # of an earlier recipe
    if kept is not None:
        kept.write(folder, encoder.weights.ordinary_copy)
    if scoring is not None:
        scoring.load_best()
    refuse_broken_weights(encoder.model)
    encoder.weights.finish(folder)
    save_encoder(encoder.model, folder / MODEL)
    found = [path for part in (MODEL, KEPT_MODELS, ADAPTER) for path in (folder / part).rglob("*")]
    return [str(path.relative_to(folder)) for path in found if path.is_file()]


def refuse_broken_weights(model: nn.Module) -> None:
    """Raise a DenseflowError where a weight is not finite."""
    for name, weights in model.state_dict().items():
        if not math.isfinite(weights.float().sum()) and not torch.isfinite(weights).all():
            raise DenseflowError(
                f"training ended with weights that are not finite ({name}). No model was written. Lower "
                "recipe.learning_rate, or take precision bf16 or fp32"
            )
