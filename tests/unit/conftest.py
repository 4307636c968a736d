"""Fixtures of the tests of training."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a tiny encoder to train."""
    from tiny_training import make_base

    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def training_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten queries with two positives and three negatives each."""
    from tiny_training import make_training_file

    return make_training_file(tmp_path_factory.mktemp("data") / "train.jsonl")


@pytest.fixture(scope="session")
def together() -> Callable[..., None]:
    """Calls a function of the module ``several_processes`` in two processes: (function, arguments, work folder)."""
    from denseflow.train.launch import launch
    from denseflow.train.where import Where

    tests = str(Path(__file__).resolve().parents[1])

    def call(function: Callable[..., None], arguments: dict[str, Any], work: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", tests, prepend=os.pathsep)
            launch(function, arguments, Where(), work, processes=2)

    return call
