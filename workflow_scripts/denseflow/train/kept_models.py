"""Models that are kept along the way, to be scored when the training has ended."""

import copy
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback

from denseflow.encoder import save_encoder
from denseflow.train.due_steps import due_steps
from denseflow.train.weights_by_step import WeightsByStep

LOG = logging.getLogger("denseflow")

KEPT_MODELS = "kept"


class KeptModels(TrainerCallback):
    """Keeps the weights of the steps that are due, beside the checkpoints, and makes models of them at the end."""

    def __init__(
        self,
        model: SentenceTransformer,
        options: dict[str, Any],
        folder: Path,
        *,
        steps_per_epoch: int,
        steps: int,
    ) -> None:
        """Keep some of ``model``'s states.

        Args:
            model: The encoder that is trained.
            options: ``every_epochs`` or ``every_steps``.
            folder: Where the weights are kept while the training lasts.
            steps_per_epoch: Optimizer steps of an epoch.
            steps: Of the whole training.
        """
        self.model = model
        self.due = set(due_steps(options, steps_per_epoch=steps_per_epoch, steps=steps))
        self.weights = WeightsByStep(folder)
        self.steps: list[int] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Keep the weights where it is due."""
        if state.global_step in self.due:
            self.weights.save(state.global_step, self.model)
            self.steps.append(state.global_step)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep, as plain values."""
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            DenseflowError: Weights that were kept before it are missing.
        """
        self.steps = list(state["steps"])
        self.weights.require(self.steps)

    def write(self, folder: Path, ordinary: Callable[[], torch.nn.Module]) -> None:
        """Write ``folder``/kept/step-N/model for each step.

        Args:
            folder: The training's results.
            ordinary: Gives the model as it is to be saved, without adapters, from the weights that it has just now.
        """
        last = copy.deepcopy(self.model.state_dict())
        for step in self.steps:
            self.weights.load(step, self.model)
            save_encoder(ordinary(), folder / KEPT_MODELS / f"step-{step}" / "model")  # type: ignore[arg-type]
        self.model.load_state_dict(last)
        LOG.info("training: %d models are kept in %s", len(self.steps), folder / KEPT_MODELS)
