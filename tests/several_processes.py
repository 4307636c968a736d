"""What the processes of a test do that train together; each imports this module by its name."""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from denseflow.errors import DenseflowError
from denseflow.train.where import Where


class Killed(BaseException):
    """Stands for a kill in the midst of a training."""


def save_gradients(base: Path, training_file: Path, cases: dict[str, Any], folder: Path, where: Where) -> None:
    """Write each case's gradient of its first batch, with and without GradCache, and how much this process encoded."""
    from gradients import first_batch

    encoded = {}
    for name, changes in cases.items():
        for recompute in (True, False):
            batch = first_batch(base, training_file, changes)
            found = batch.in_pieces(where.processes, recompute=recompute)
            if where.processes.first:
                save_file(found, folder / f"{name}.{recompute}.safetensors")
            encoded[name] = batch.encoded
    (folder / f"encoded.{where.processes.rank}.json").write_text(json.dumps(encoded))


def train_each(base: Path, training_file: Path, folder: Path, cases: dict[str, Any], where: Where) -> None:
    """Train each case twice: in one go, and killed in the midst and run again."""
    from tiny_training import arguments, train_function

    from denseflow.train.resumable import ResumableTrainer

    step = ResumableTrainer.training_step

    def stop_after(batches: int) -> None:
        left = iter(range(batches))

        def counting(*rest: Any) -> torch.Tensor:
            if next(left, None) is None:
                raise Killed
            return step(*rest)

        ResumableTrainer.training_step = counting  # type: ignore[method-assign]

    for name, changes in cases.items():
        given = arguments(**changes, checkpoint_steps=2)
        given |= {"where": replace(given["where"], processes=where.processes), "contract": {}}
        train = train_function(given["recipe"])
        train(base, training_file, folder=folder / f"{name}.whole", work=folder / "work", **given)
        again = {"folder": folder / f"{name}.killed", "work": folder / "work", **given}
        stop_after(5)
        with suppress(Killed):
            train(base, training_file, **again)
        ResumableTrainer.training_step = step  # type: ignore[method-assign]
        train(base, training_file, **again)


def train_slowly(base: Path, training_file: Path, folder: Path, changes: dict[str, Any], where: Where) -> None:
    """Train with a pause after each batch, so that a test can act in the midst of it."""
    from tiny_training import arguments

    from denseflow.train.train import train
    from denseflow.train.trainer import RetrieverTrainer

    step = RetrieverTrainer.training_step
    RetrieverTrainer.training_step = lambda *rest: time.sleep(0.1) or step(*rest)  # type: ignore
    given = arguments(**changes)
    given["where"] = replace(given["where"], processes=where.processes)
    train(base, training_file, folder=folder / "out", work=folder / "work", contract={}, **given)


def fail(rank: int, how: str, where: Where) -> None:
    """One process fails while the others wait for it."""
    if where.processes.rank == rank:
        if how == "told":
            raise DenseflowError("there is no dev split to score on")
        if how == "unexpected":
            raise RuntimeError("of all things")
        print("the last words", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    where.processes.agree([1])


def wait(folder: Path, where: Where) -> None:
    """Say that this process is there, and wait for ever."""
    (folder / f"pid.{where.processes.rank}").write_text(str(os.getpid()))
    time.sleep(600)
