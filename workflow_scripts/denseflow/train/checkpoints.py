"""Checkpoints that are whole or not there, and that only the training that wrote them can resume."""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.files import sha256_text
from denseflow.manifest import NAME, read_manifest, write_manifest

LOG = logging.getLogger("denseflow")

KEPT = 2
_STAGING = "staging"


class Checkpoints:
    """The checkpoints of one training, in a folder named after what defines the training."""

    def __init__(self, work: Path, definition: dict[str, Any]) -> None:
        """Use ``work``/KEY.

        Args:
            work: The work folder, which may hold the checkpoints of other trainings too.
            definition: All that the trained weights depend on, as plain values. KEY is its digest, so that another
                recipe, seed, base model or training file never meets these checkpoints.
        """
        self.key = sha256_text(json.dumps(definition, sort_keys=True))
        self.folder = work / self.key[:16]

    def save(self, step: int, write: Callable[[Path], None]) -> None:
        """Keep the checkpoint of ``step``: all the files that ``write`` puts into the folder it gets, or none.

        The two newest checkpoints stay; older ones go.
        """
        staging = self.folder / _STAGING
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        write(staging)
        files = [path.name for path in staging.iterdir()]
        write_manifest(staging, "checkpoint", files, key=self.key, step=step)
        for path in [*(staging / name for name in (*files, NAME)), staging]:
            _sync(path)
        target = self.path(step)
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
        _sync(self.folder)
        for old in self._steps()[:-KEPT]:
            shutil.rmtree(self.path(old), ignore_errors=True)

    def newest(self) -> Path | None:
        """The checkpoint of the highest step whose files are all there and unaltered, or None.

        What is not whole, or belongs to another training, is passed over with a warning.
        """
        for step in reversed(self._steps()):
            path = self.path(step)
            try:
                manifest = read_manifest(path / NAME)
            except DenseflowError as error:
                LOG.warning("The checkpoint %s is not whole and is passed over: %s", path, error)
                continue
            if manifest.get("key") == self.key:
                return path
            LOG.warning("The checkpoint %s belongs to another training and is passed over", path)
        return None

    def path(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self.folder / f"step-{step}"

    def _steps(self) -> list[int]:
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted(int(match[1]) for name in names if (match := re.fullmatch(r"step-(\d+)", name)))


def _sync(path: Path) -> None:
    """Make sure that a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
