"""The trainer of a cross-encoder: its loss on its batches."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.util import batch_to_device
from torch import Tensor
from transformers import TrainerCallback, TrainingArguments

from denseflow.cross_encoder import pair_scores
from denseflow.train.cross_encoder.batches import PairBatches
from denseflow.train.examples import Draws
from denseflow.train.grad_cache import Features, GradCache
from denseflow.train.losses.pairs import PairLoss, pair_measures
from denseflow.train.plans import BatchPlan
from denseflow.train.processes import ALONE, Processes
from denseflow.train.resumable import ResumableTrainer
from denseflow.train.steering import Keeping


def score_piece(model: torch.nn.Module, piece: Features) -> Tensor:
    """[n, 1] scores of a piece's pairs, with the dropout that the piece's ``seed`` gives."""
    torch.manual_seed(piece["seed"])
    return pair_scores(model, {name: value for name, value in piece.items() if name != "seed"}).unsqueeze(1)


class CrossEncoderTrainer(ResumableTrainer):
    """Trains one cross-encoder. The scores of a batch's pairs go the way of embeddings in GradCache."""

    def __init__(
        self,
        model: CrossEncoder,
        arguments: TrainingArguments,
        draws: Draws,
        plan: BatchPlan,
        batches: PairBatches,
        loss: PairLoss,
        keeping: Keeping,
        callbacks: Sequence[TrainerCallback] = (),
        processes: Processes = ALONE,
        *,
        grad_cache: bool,
    ) -> None:
        """Set up the training of ``model``.

        Args:
            model: The cross-encoder.
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
            partial(score_piece, model), self.accelerator.backward, recompute=grad_cache, processes=processes
        )

    def add_gradient(self, model: torch.nn.Module, inputs: dict[str, Any], weight: float) -> Tensor:
        """Add ``weight`` times the gradient of a batch's loss to the parameters; returns the loss."""
        places: Tensor = inputs["places"]

        def batch_loss(column: Tensor) -> Tensor:
            scores = column.squeeze(1)
            self.window.count(len(scores))
            with torch.no_grad():
                self.window.measure(pair_measures(scores, places))
            return self.loss(scores, places)

        return self.grad_cache.step([inputs["pairs"]], batch_loss, weight=weight)

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        device = self.args.device
        pairs = [batch_to_device(piece, device) for piece in inputs["pairs"]]
        return {"pairs": pairs, "places": inputs["places"].to(device)}
