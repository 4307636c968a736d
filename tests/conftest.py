"""Fixtures that every test file may use."""

import shutil
from pathlib import Path

import pytest
from project_copy import Workflow


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real collections beside the project; the tests that need it are skipped where it is missing."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the real collections in {folder / 'data'}, which is not there")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT with mean pooling and normalisation, as a sentence-transformers folder. Do not change it."""
    from tiny import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("tiny_model") / "model")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The tiny experiment, run once to its end. A test that changes it puts everything back."""
    from tiny import make_tiny_model

    workflow = Workflow(tmp_path_factory.mktemp("workflow"))
    make_tiny_model(workflow.folder / "tiny")
    shutil.rmtree(workflow.folder / "tiny.bert")
    workflow.make()
    return workflow
