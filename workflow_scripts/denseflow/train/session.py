"""What the trainings of encoders and of cross-encoders have in common: how they run, and what they write."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from denseflow.files import write_json
from denseflow.manifest import write_manifest
from denseflow.train.checkpoints import Checkpoints
from denseflow.train.curves import TABLE, history_kept, write_history
from denseflow.train.definition import PACKAGES
from denseflow.train.interruption import stop_on_signal
from denseflow.train.preflight import Preflight
from denseflow.train.resumable import ResumableTrainer
from denseflow.train.steering import CheckpointTimes, Keeping
from denseflow.train.trial import Trial, read_estimate
from denseflow.train.where import Where

AnyTrainer = TypeVar("AnyTrainer", bound=ResumableTrainer)

PREFLIGHT = "preflight.json"
_TOLD = ("recipe", "contract", "seed", "device", "precision", "inputs")


@dataclass(frozen=True)
class Session:
    """A training that is about to run.

    Attributes:
        definition: What :func:`denseflow.train.definition.definition` gives.
        found: What was found before the first step.
        folder: Where the results go.
        work: A folder for checkpoints, which this training may delete.
        where: Where and with how much it runs.
    """

    definition: dict[str, Any]
    found: Preflight
    folder: Path
    work: Path
    where: Where

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of the very same training."""
        return Checkpoints(self.work, self.definition)

    def run(self, make_trainer: Callable[[Keeping], AnyTrainer]) -> AnyTrainer:
        """Train from the newest checkpoint to the end; returns the trainer.

        When the training ends early, the log and the curves so far are beside the checkpoints.
        """
        times = CheckpointTimes(self.where.checkpoint_minutes, self.where.checkpoint_steps)
        with stop_on_signal(self.where.processes.stop_file) as stop:
            trainer = make_trainer(Keeping(self.checkpoints, times, stop))
            if self.where.trial:
                trainer.add_callback(Trial(trainer, self.checkpoints.folder / PREFLIGHT))
            with history_kept(trainer, self.checkpoints.folder, title=self._title):
                trainer.run()
        return trainer

    def write(self, trainer: ResumableTrainer, files: Sequence[str], **facts: Any) -> dict[str, Any]:
        """Write the history, its curves, what was found beforehand and, last, the manifest; remove ``work``.

        Args:
            trainer: That has run.
            files: The model's files, already in ``folder``, relative to it.
            facts: What else the manifest shall say.

        Returns:
            The manifest.
        """
        write_history(trainer.state.log_history, self.folder, title=self._title)
        estimate = read_estimate(self.checkpoints.folder / PREFLIGHT)
        found = {"facts": self.found.facts, "warnings": self.found.warnings}
        write_json(self.folder / PREFLIGHT, {**found, "estimate": estimate})
        manifest = write_manifest(
            self.folder,
            "train",
            # What holds speeds or the time needed differs each time: it would make later stages run again.
            [*files, TABLE],
            packages=(*PACKAGES, "accelerate"),
            **{name: self.definition[name] for name in _TOLD},
            counts=self.found.facts,
            warnings=self.found.warnings,
            **facts,
        )
        shutil.rmtree(self.work, ignore_errors=True)
        return manifest

    @property
    def _title(self) -> str:
        return f"{self.folder.parent.name} {self.folder.name}"
