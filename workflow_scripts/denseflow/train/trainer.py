"""The trainer of an encoder for queries and passages: our loss on our batches."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import Tensor
from transformers import TrainerCallback, TrainingArguments

from denseflow.encoder import learns
from denseflow.train.batches import Batches
from denseflow.train.collapse import space_measures
from denseflow.train.examples import Draws
from denseflow.train.grad_cache import Features, GradCache, encode_piece
from denseflow.train.losses.flops import Flops
from denseflow.train.losses.targets import Loss, Targets
from denseflow.train.plans import BatchPlan
from denseflow.train.processes import ALONE, Processes
from denseflow.train.resumable import ResumableTrainer
from denseflow.train.steering import Keeping


class RetrieverTrainer(ResumableTrainer):
    """Trains one encoder for queries and passages, or two in one model.

    Dropout is a function of the batch (:mod:`denseflow.train.batches`), so that it is the same with and without
    GradCache and after a resume.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        arguments: TrainingArguments,
        draws: Draws,
        plan: BatchPlan,
        batches: Batches,
        loss: Loss,
        keeping: Keeping,
        callbacks: Sequence[TrainerCallback] = (),
        processes: Processes = ALONE,
        *,
        grad_cache: bool,
    ) -> None:
        """Set up the training of ``model``.

        Args:
            model: The encoder.
            arguments: The Trainer's own options.
            draws: What is seen of each query in each epoch.
            plan: Which draws make a batch.
            batches: Makes batches of draws.
            loss: The loss of a batch.
            keeping: Of checkpoints.
            callbacks: Further callbacks.
            processes: Those that train the model together.
            grad_cache: Whether to hold the activations of one piece at a time only.
        """
        super().__init__(model, arguments, draws, plan, batches, keeping, callbacks, processes)
        self.loss = loss
        self.grad_cache = GradCache(
            partial(encode_piece, model),
            self.accelerator.backward,
            learns=lambda piece: learns(model, piece["kind"]),
            recompute=grad_cache,
            processes=processes,
        )

    def add_gradient(self, model: torch.nn.Module, inputs: dict[str, Any], weight: float) -> Tensor:
        """Add ``weight`` times the gradient of a batch's loss to the parameters; returns the loss."""
        targets: Targets = inputs["targets"]
        self.window.count(sum(targets.drawn.shape))
        loss = self.loss.at(self.state.global_step) if isinstance(self.loss, Flops) else self.loss
        ranking = loss.loss if isinstance(loss, Flops) else loss

        def batch_loss(queries: Tensor, passages: Tensor) -> Tensor:
            with torch.no_grad():
                self.window.measure(loss.measures(queries, passages, targets))
                space = space_measures(ranking, queries, passages, targets)
                if isinstance(loss, Flops):  # what is told of the loss has the price in it
                    space["chance_loss"] += loss.price(queries, passages).item()
                self.window.measure(space)
            return loss(queries, passages, targets)

        return self.grad_cache.step([inputs["queries"], inputs["passages"]], batch_loss, weight=weight)

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        device = self.args.device

        def moved(pieces: list[Features]) -> list[Features]:
            return [batch_to_device(piece, device) for piece in pieces]

        targets = inputs["targets"].to(device)
        return {"queries": moved(inputs["queries"]), "passages": moved(inputs["passages"]), "targets": targets}
