"""Fixtures of the tests of training."""

from pathlib import Path

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
