"""transformers' Trainer for an encoder: our loss, our batches, our checkpoints."""

import logging
import math
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from denseflow.errors import DenseflowError
from denseflow.train.batches import Batches
from denseflow.train.checkpoints import Checkpoints
from denseflow.train.examples import Draws
from denseflow.train.grad_cache import GradCache, encode_pieces
from denseflow.train.interruption import StopRequest
from denseflow.train.losses.targets import Loss, Targets
from denseflow.train.plans import BatchPlan

LOG = logging.getLogger("denseflow")

WEIGHTS = "weights.safetensors"
MOST_LEFT_OUT = 30
"""Steps in a row that float16's scaler may leave out; it halves its scale, at first 65,536, at each."""


@dataclass(frozen=True)
class CheckpointTimes:
    """When checkpoints are written: after so many minutes, and after so many steps where that is set."""

    minutes: float
    steps: int | None = None


class _EpochLoader(DataLoader):
    """Tells its batches the epoch, as the Trainer asks of a loader that resuming has not wrapped."""

    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


class RetrieverTrainer(Trainer):
    """Trains one encoder for queries and passages.

    The Trainer gives optimizer, schedule, accumulation, clipping, mixed precision and the restoring of their state;
    the batches are a function of seed and epoch (:mod:`denseflow.train.examples`), and so is dropout
    (:mod:`denseflow.train.batches`), so that a resumed training goes on exactly where it was.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        arguments: TrainingArguments,
        draws: Draws,
        plan: BatchPlan,
        batches: Batches,
        loss: Loss,
        *,
        grad_cache: bool,
        checkpoints: Checkpoints,
        checkpoint_times: CheckpointTimes,
        stop: StopRequest,
    ) -> None:
        """Set up the training of ``model``.

        Args:
            model: The encoder.
            arguments: The Trainer's own options.
            draws: What is seen of each query in each epoch.
            plan: Which draws make a batch.
            batches: Makes batches of draws.
            loss: The loss of a batch.
            grad_cache: Whether to hold the activations of one piece at a time only.
            checkpoints: Where checkpoints are kept.
            checkpoint_times: When they are written.
            stop: Is set from outside when the training shall end early.
        """
        super().__init__(model=model, args=arguments, train_dataset=draws, data_collator=batches)
        self.remove_callback(PrinterCallback)
        self.encoder, self.draws, self.plan, self.loss = model, draws, plan, loss
        self.grad_cache = GradCache(model, self.accelerator.backward) if grad_cache else None
        self.checkpoints = checkpoints
        self.stop = stop
        self.window = _Window()
        self.left_out = 0
        self.add_callback(_CheckpointClock(checkpoint_times, stop))

    def get_train_dataloader(self) -> DataLoader:
        """The batches of an epoch. accelerate has nothing to do to them on one device."""
        return _EpochLoader(self.draws, batch_sampler=self.plan, collate_fn=self.data_collator)

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Add the gradient of a batch to the parameters; returns its loss over the number of accumulated batches.

        Raises:
            DenseflowError: The loss is not finite.
        """
        self.window.count(inputs["targets"])
        if self.grad_cache is None:
            loss = super().training_step(model, inputs, num_items_in_batch)
        else:
            model.train()
            inputs = self._prepare_inputs(inputs)
            weight = 1 / self.current_gradient_accumulation_steps
            loss_function = partial(self._batch_loss, targets=inputs["targets"])
            loss = weight * self.grad_cache.step(inputs["queries"], inputs["passages"], loss_function, weight=weight)
        self._refuse_not_finite("loss", loss.item())
        return loss

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The loss of a batch, with the whole graph."""
        queries, passages = encode_pieces(model, inputs["queries"]), encode_pieces(model, inputs["passages"])
        return self._batch_loss(queries, passages, inputs["targets"])

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        device = self.args.device
        pieces = {name: [batch_to_device(piece, device) for piece in inputs[name]] for name in ("queries", "passages")}
        return {**pieces, "targets": inputs["targets"].to(device)}

    def _batch_loss(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        with torch.no_grad():
            self.window.measure(self.loss.measures(queries, passages, targets))
        return self.loss(queries, passages, targets)

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Tensor | float | None = None) -> float:
        norm = float(super()._get_grad_norm(model, grad_norm))
        # float16's scaler meets an infinity by leaving the step out and scaling less; it should not meet many in a row.
        self.left_out = 0 if math.isfinite(norm) else self.left_out + 1
        if self.accelerator.scaler is None or self.left_out > MOST_LEFT_OUT:
            self._refuse_not_finite("gradient norm", norm)
        return norm

    def _refuse_not_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise DenseflowError(
                f"training stopped at step {self.state.global_step + 1}: the {what} is {value}, expected a finite "
                "number. No model was written. Lower recipe.learning_rate, raise recipe.loss.temperature, lower "
                "recipe.max_grad_norm, lengthen recipe.warmup_ratio, or take precision bf16 or fp32 instead of fp16"
            )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Keep a line of the history: what the Trainer measured, and what the window counted."""
        if "loss" in logs:
            super().log({**logs, **self.window.read()}, start_time)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        self.checkpoints.save(self.state.global_step, self._write_checkpoint)
        if self.stop:
            raise DenseflowError(
                f"training was stopped by {self.stop.signal} after step {self.state.global_step} of "
                f"{self.state.max_steps}; a checkpoint is kept. Run the same command again to go on from there"
            )

    def _write_checkpoint(self, folder: Path) -> None:
        safetensors.torch.save_model(self.encoder, str(folder / WEIGHTS))
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / TRAINER_STATE_NAME))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        safetensors.torch.load_model(self.encoder, Path(resume_from_checkpoint) / WEIGHTS)


class _Window:
    """What happened since the last line of the log."""

    def __init__(self) -> None:
        self._start()

    def count(self, targets: Targets) -> None:
        self.sequences += sum(targets.drawn.shape)

    def measure(self, measures: dict[str, float]) -> None:
        for name, value in measures.items():
            self.measures[name].append(value)

    def read(self) -> dict[str, float]:
        seconds = time.monotonic() - self.started
        found = {"sequences_per_second": round(self.sequences / max(seconds, 1e-9), 3)}
        found |= {name: math.fsum(values) / len(values) for name, values in self.measures.items()}
        self._start()
        return found

    def _start(self) -> None:
        self.started = time.monotonic()
        self.sequences = 0
        self.measures: defaultdict[str, list[float]] = defaultdict(list)


class _CheckpointClock(TrainerCallback):
    """Says after which step a checkpoint is due."""

    def __init__(self, times: CheckpointTimes, stop: StopRequest) -> None:
        self.times, self.stop = times, stop
        self.last = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        by_time = time.monotonic() - self.last >= 60 * self.times.minutes
        by_step = self.times.steps is not None and state.global_step % self.times.steps == 0
        # After the last step the model itself is about to be written.
        if (by_time or by_step or self.stop) and state.global_step < state.max_steps:
            control.should_save = True
            self.last = time.monotonic()
