"""Weights that a training keeps beside its checkpoints, until it ends."""

import re
from collections.abc import Collection
from pathlib import Path

import safetensors.torch
import torch

from denseflow.errors import DenseflowError
from denseflow.files import atomic_path


class WeightsByStep:
    """The whole state of a model at some steps, adapters included, each in a file that is whole or not there."""

    def __init__(self, folder: Path) -> None:
        """Keep them in ``folder``, which need not exist yet."""
        self.folder = folder

    def save(self, step: int, model: torch.nn.Module) -> None:
        """Keep the weights of ``step``, in the place of any that were kept of it before."""
        with atomic_path(self._path(step)) as temporary:
            safetensors.torch.save_model(model, str(temporary))

    def load(self, step: int, model: torch.nn.Module) -> None:
        """Give ``model``, which must be built as the one that was saved, the weights of ``step``.

        Raises:
            DenseflowError: They are missing.
        """
        self.require([step])
        safetensors.torch.load_model(model, self._path(step))

    def require(self, steps: Collection[int]) -> None:
        """Raise a DenseflowError unless the weights of all ``steps`` are there."""
        for step in steps:
            if not self._path(step).is_file():
                raise DenseflowError(
                    f"{self._path(step)}: missing, though a checkpoint of this training counts on it; delete the "
                    f"folder {self.folder.parent} and run the workflow again, which trains from the start"
                )

    def keep_only(self, steps: Collection[int]) -> None:
        """Delete the weights of all other steps."""
        for path in self.folder.glob("step-*.safetensors"):
            match = re.fullmatch(r"step-(\d+)\.safetensors", path.name)
            if match and int(match[1]) not in steps:
                path.unlink()

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step}.safetensors"
