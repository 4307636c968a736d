"""Where a training's log may go beside log.jsonl: TensorBoard's files, Weights & Biases."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback, WandbCallback

from denseflow.errors import DenseflowError

TENSORBOARD = "tensorboard==2.21.0"
WANDB_PROJECT = "denseflow"


def make_trackers(tensorboard: Path | None, wandb: Path | None) -> list[TrainerCallback]:
    """The callbacks that report what is logged. Call it first of all: a missing package is to be found early.

    Args:
        tensorboard: The folder for TensorBoard's files, this training's own; None: none are written.
        wandb: The folder for Weights & Biases' local files, whose name is the run's name; None: nothing is reported.
            The project is ``denseflow`` where the variable WANDB_PROJECT does not name one.

    Raises:
        DenseflowError: A package that is needed is not installed.
    """
    trackers: list[TrainerCallback] = []
    if tensorboard is not None:
        _require("tensorboard", "run.tensorboard", TENSORBOARD)
        trackers.append(_TensorBoard(tensorboard))
    if wandb is not None:
        _require("wandb", "run.wandb", "wandb")
        trackers.append(_Wandb(wandb))
    return trackers


def _require(package: str, key: str, requirement: str) -> None:
    if find_spec(package) is None:
        raise DenseflowError(
            f"{key}: true, but the package {package!r} is not installed in this environment; install it with "
            f"`pip install {requirement}`, or set {key} to false"
        )


class _TensorBoard(TensorBoardCallback):
    """Files in a folder of this training's own. A training that starts anew takes the place of an older one there."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Open the files. What an interrupted training wrote after its checkpoint is written again, and hidden."""
        if not state.is_world_process_zero:
            return
        done = state.global_step
        if done == 0:
            for file in self.folder.glob("events.out.tfevents.*"):
                file.unlink()
        self.tb_writer = self._SummaryWriter(str(self.folder), purge_step=done + 1 if done else None)
        super().on_train_begin(args, state, control, **others)


class _Wandb(WandbCallback):
    """A run with the training's name."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def setup(self, args: Any, state: Any, model: Any, **others: Any) -> None:
        """Start the run."""
        os.environ.setdefault("WANDB_PROJECT", WANDB_PROJECT)
        self.folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("WANDB_DIR", str(self.folder))
        args.run_name = self.folder.name
        super().setup(args, state, model, **others)
