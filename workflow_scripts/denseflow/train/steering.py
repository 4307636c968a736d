"""When a training keeps a checkpoint and when it ends, decided by one process for all."""

import time
from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback

from denseflow.train.checkpoints import Checkpoints
from denseflow.train.interruption import StopRequest
from denseflow.train.processes import Processes


@dataclass(frozen=True)
class CheckpointTimes:
    """When checkpoints are written: after so many minutes, and after so many steps where that is set."""

    minutes: float
    steps: int | None = None


@dataclass(frozen=True)
class Keeping:
    """How a training is kept from being lost.

    Attributes:
        checkpoints: Where checkpoints are kept.
        times: When they are written.
        stop: Is set from outside when the training shall end early.
    """

    checkpoints: Checkpoints
    times: CheckpointTimes
    stop: StopRequest


class CheckpointClock(TrainerCallback):
    """Says after which step a checkpoint is due."""

    def __init__(self, keeping: Keeping) -> None:
        """Start the clock."""
        self.times, self.stop = keeping.times, keeping.stop
        self.last = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Ask for a checkpoint where one is due."""
        by_time = time.monotonic() - self.last >= 60 * self.times.minutes
        by_step = self.times.steps is not None and state.global_step % self.times.steps == 0
        # After the last step the model itself is about to be written.
        last = state.global_step == state.max_steps or control.should_training_stop
        if (by_time or by_step or self.stop) and not last:
            control.should_save = True
            self.last = time.monotonic()


class Agreement(TrainerCallback):
    """Makes what the first process has decided the decision of all; comes after all other callbacks."""

    def __init__(self, processes: Processes, stop: StopRequest) -> None:
        """Agree with ``processes``, also on whether the training was told to ``stop``."""
        self.processes, self.stop = processes, stop

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Agree."""
        self._agree(control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Agree."""
        self._agree(control)

    def _agree(self, control: Any) -> None:
        decided = [control.should_save, control.should_training_stop, control.should_epoch_stop, self.stop.number]
        save, stop_training, stop_epoch, signal = self.processes.agree([int(value) for value in decided])
        control.should_save, control.should_training_stop = bool(save), bool(stop_training)
        control.should_epoch_stop = bool(stop_epoch)
        if not self.processes.first:  # which may have been told in the meantime, and must not forget it
            self.stop.number = signal
