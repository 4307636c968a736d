"""How long a training will take and how much memory, found by a trial before its first step."""

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerState, TrainingArguments

from denseflow.errors import DenseflowError
from denseflow.files import write_json
from denseflow.train.resumable import ResumableTrainer

LOG = logging.getLogger("denseflow")

MANY_STEPS = 50
"""From so many steps on a second batch is tried, whose time is not that of warming up."""
OPTIMIZER_STATES = 2
"""Numbers that AdamW keeps for each parameter that learns, in float32."""
_GIGA = 1e9


@dataclass(frozen=True)
class Estimate:
    """What a trial found.

    Attributes:
        seconds_per_step: Of one optimizer step, without the optimizer itself.
        seconds: Of all steps, without scoring on a dev split.
        weights_bytes, gradients_bytes, optimizer_bytes: By the numbers of parameters.
        peak_bytes: On a GPU what torch needs there; on a CPU what the whole process needs, libraries included.
        batches: How many batches were tried.
    """

    seconds_per_step: float
    seconds: float
    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    peak_bytes: int
    batches: int


class Trial(TrainerCallback):
    """Before the first step, tries a batch or two, forward and backward, and says what that means for the whole.

    Nothing of it stays: no step is made, gradients are dropped, random states are put back. So a training ends with the
    same bits with it or without. A resumed training makes none.
    """

    def __init__(self, trainer: ResumableTrainer, kept: Path) -> None:
        """Try with ``trainer``; the first of several processes writes the estimate to the file ``kept``."""
        self.trainer, self.kept = trainer, kept

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **others: Any) -> None:
        """Make the trial.

        Raises:
            DenseflowError: A batch does not fit into the GPU's memory, or its loss is not finite.
        """
        if state.global_step > 0:
            return
        estimate = self._measure(args, state.max_steps)
        if self.trainer.processes.first:
            several = self.trainer.processes.count > 1
            LOG.info("training: %s%s", in_words(estimate, state.max_steps), ", each process" if several else "")
            _say_if_too_large(estimate, args.device)
            write_json(self.kept, asdict(estimate))

    def _measure(self, args: TrainingArguments, steps: int) -> Estimate:
        trainer, model = self.trainer, self.trainer.model_wrapped
        learning = [weights for weights in model.parameters() if weights.requires_grad]
        batches = 2 if steps >= MANY_STEPS else 1
        on_gpu = args.device.type == "cuda"
        trainer.current_gradient_accumulation_steps = args.gradient_accumulation_steps  # set later by the Trainer
        with _nothing_stays(trainer), _explained():
            if on_gpu:
                torch.cuda.reset_peak_memory_stats(args.device)
            loader, seconds = iter(trainer.get_train_dataloader()), 0.0
            for _ in range(batches):
                start = time.monotonic()
                for batch in islice(loader, 1):
                    trainer.training_step(model, batch)
                if on_gpu:
                    torch.cuda.synchronize(args.device)
                seconds = time.monotonic() - start
            peak = torch.cuda.max_memory_allocated(args.device) if on_gpu else _peak_of_process()
        gradients = sum(weights.numel() * weights.element_size() for weights in learning)
        optimizer = sum(4 * OPTIMIZER_STATES * weights.numel() for weights in learning)
        per_step = seconds * args.gradient_accumulation_steps
        return Estimate(
            seconds_per_step=round(per_step, 4),
            seconds=round(per_step * steps, 1),
            weights_bytes=sum(weights.numel() * weights.element_size() for weights in model.parameters()),
            gradients_bytes=gradients,
            optimizer_bytes=optimizer,
            peak_bytes=peak + optimizer,
            batches=batches,
        )


def read_estimate(kept: Path) -> dict[str, Any] | None:
    """The estimate that the trial of this training, or of its beginning that was interrupted, has kept."""
    return json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else None


def in_words(estimate: Estimate, steps: int) -> str:
    """Such as ``about 13 minutes for 456 steps, about 1.9 GB``."""
    seconds = estimate.seconds
    if seconds < 90:
        time_needed = f"{max(1, round(seconds))} seconds"
    elif seconds < 5400:
        time_needed = f"{seconds / 60:.0f} minutes"
    else:
        time_needed = f"{seconds / 3600:.1f} hours"
    return f"about {time_needed} for {steps} steps, about {estimate.peak_bytes / _GIGA:.1f} GB of memory"


@contextmanager
def _nothing_stays(trainer: ResumableTrainer) -> Iterator[None]:
    """Put back what forward and backward change."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    training = trainer.trained.training
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            trainer.trained.zero_grad(set_to_none=True)
            trainer.trained.train(training)
            trainer.window.read()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DenseflowError(
            f"a batch does not fit into the GPU's memory ({str(error).splitlines()[0]}); set run.micro_batch, such as "
            "32, which changes no result, set recipe.gradient_checkpointing, or lower recipe.batch_size"
        ) from None


def _peak_of_process() -> int:
    """The most memory that this process ever had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _say_if_too_large(estimate: Estimate, device: torch.device) -> None:
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
    else:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if estimate.peak_bytes > there:
        LOG.warning(
            "about %.1f GB of memory are needed, and there are %.1f GB; set run.micro_batch, such as 32",
            estimate.peak_bytes / _GIGA,
            there / _GIGA,
        )
