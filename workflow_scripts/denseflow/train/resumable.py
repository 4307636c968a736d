"""transformers' Trainer, resumed exactly: our batches, our checkpoints, and a stop where a number is not finite."""

import json
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import safetensors.torch
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from denseflow.cpu.quick import quick_on_cpu
from denseflow.errors import DenseflowError
from denseflow.files import write_json
from denseflow.progress import progress
from denseflow.train.plans import BatchPlan
from denseflow.train.processes import ALONE, Processes
from denseflow.train.steering import Agreement, CheckpointClock, Keeping
from denseflow.train.step_progress import StepProgress
from denseflow.train.window import Window

LOG = logging.getLogger("denseflow")

WEIGHTS = "weights.safetensors"
CALLBACKS = "callbacks.json"
MOST_LEFT_OUT = 30
"""Steps in a row that float16's scaler may leave out; it halves its scale, at first 65,536, at each."""


@runtime_checkable
class KeepsState(Protocol):
    """A callback whose state, plain values for JSON, is kept in each checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """The state."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        ...


class ResumableTrainer(Trainer, ABC):
    """Trains any model on batches that are a function of (seed, epoch), so that a resumed training goes on exactly.

    The Trainer gives optimizer, schedule, accumulation, clipping, mixed precision and the restoring of their state. A
    subclass says how the gradient of a batch is made (:meth:`add_gradient`).
    """

    def __init__(
        self,
        model: torch.nn.Module,
        arguments: TrainingArguments,
        draws: Dataset[Any],
        plan: BatchPlan,
        collate: Callable[..., dict[str, Any]],
        keeping: Keeping,
        callbacks: Sequence[TrainerCallback] = (),
        processes: Processes = ALONE,
    ) -> None:
        """Set up the training of ``model``.

        Args:
            model: What is trained.
            arguments: The Trainer's own options.
            draws: What is seen of each query in each epoch.
            plan: Which draws make a batch.
            collate: Makes a batch of draws; what dropout and others draw is seeded by the batch.
            keeping: Of checkpoints.
            callbacks: Further callbacks. Those with ``state_dict`` and ``load_state_dict`` are resumed too. Of several
                processes the first one alone has any; what they decide holds for all.
            processes: Those that train the model together.
        """
        super().__init__(model=model, args=arguments, train_dataset=draws, data_collator=collate)
        self.remove_callback(PrinterCallback)
        self.trained, self.draws, self.plan, self.keeping = model, draws, plan, keeping
        self.processes = processes
        self.window = Window()
        self.left_out = 0
        self.stateful = [callback for callback in callbacks if isinstance(callback, KeepsState)]
        for callback in (*callbacks, CheckpointClock(keeping), Agreement(processes, keeping.stop)):
            self.add_callback(callback)

    def run(self) -> None:
        """Train, going on from the newest whole checkpoint.

        Raises:
            DenseflowError: A number is not finite, or the training was told to stop and has kept a checkpoint.
        """
        newest = self.keeping.checkpoints.newest() if self.processes.first else None
        (done,) = self.processes.agree([0 if newest is None else int(newest.name.removeprefix("step-"))])
        checkpoint = self.keeping.checkpoints.path(done)
        if done:
            LOG.info("training: going on after step %d, from %s", done, checkpoint)
        with progress("training steps", self.args.max_steps, done=done) as advance:
            self.add_callback(StepProgress(advance))
            self.train(resume_from_checkpoint=str(checkpoint) if done else None)

    def get_train_dataloader(self) -> DataLoader:
        """The batches of an epoch. accelerate has nothing to do to them on one device."""
        return _EpochLoader(self.draws, batch_sampler=self.plan, collate_fn=self.data_collator)

    @abstractmethod
    def add_gradient(self, model: torch.nn.Module, inputs: dict[str, Any], weight: float) -> Tensor:
        """Add ``weight`` times the gradient of a batch's loss to the parameters; returns the loss, a scalar.

        Of several processes each adds its part of the gradient, and returns the loss of the whole batch.
        """

    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Add the gradient of a batch to the parameters; returns its loss over the number of accumulated batches.

        Raises:
            DenseflowError: The loss is not finite.
        """
        model.train()
        weight = 1 / self.current_gradient_accumulation_steps
        with quick_on_cpu(self.args.device):
            loss = weight * self.add_gradient(model, self._prepare_inputs(inputs), weight)
        self._refuse_not_finite("loss", loss.item())
        if self.accelerator.sync_gradients:
            self.processes.sum_gradients(model.parameters())
        return loss

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
            self.processes.check_weights(self.trained)
            super().log({**logs, **self.window.read()}, start_time)

    def note(self, line: dict[str, float], seconds: float) -> None:
        """Keep a line of the history that a callback measured, in so many seconds that are none of the training's."""
        self.window.started += seconds
        due = self.control.should_log  # the Trainer's own line of this step is yet to come
        super().log(line)
        self.control.should_log = due

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        if self.processes.first:
            self.keeping.checkpoints.save(self.state.global_step, self._write_checkpoint)
        if self.keeping.stop:
            raise DenseflowError(
                f"training was stopped by {self.keeping.stop.signal} after step {self.state.global_step} of "
                f"{self.state.max_steps}; a checkpoint is kept. Run the same command again to go on from there"
            )

    def _write_checkpoint(self, folder: Path) -> None:
        safetensors.torch.save_model(self.trained, str(folder / WEIGHTS))
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / TRAINER_STATE_NAME))
        write_json(folder / CALLBACKS, [callback.state_dict() for callback in self.stateful])

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        folder = Path(resume_from_checkpoint)
        safetensors.torch.load_model(self.trained, folder / WEIGHTS)
        if self.processes.first:
            states = json.loads((folder / CALLBACKS).read_text(encoding="utf-8"))
            for callback, state in zip(self.stateful, states, strict=True):
                callback.load_state_dict(state)


class _EpochLoader(DataLoader):
    """Tells its batches the epoch, as the Trainer asks of a loader that resuming has not wrapped."""

    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
