"""The training's progress, step by step."""

import logging
import time
from typing import Any

from transformers import TrainerCallback

from denseflow.progress import Advance

LOG = logging.getLogger("denseflow")

STEPS_TO_JUDGE = 5


class StepProgress(TrainerCallback):
    """Advances a progress display, and says after a few steps how long the whole will take."""

    def __init__(self, advance: Advance) -> None:
        """Advance by ``advance``."""
        self.advance = advance
        self.done = 0
        self.start = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Start the clock."""
        self.start = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Count a step."""
        self.done += 1
        self.advance(1)
        if self.done == STEPS_TO_JUDGE:
            seconds = (time.monotonic() - self.start) / self.done
            left = seconds * (state.max_steps - state.global_step)
            LOG.info("training: %.2f s a step, about %.1f minutes left", seconds, left / 60)
