"""The tiny experiment, finished, for the tests of the whole workflow."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_copy import Workflow


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The tiny experiment, run once to its end. A test that changes it puts everything back."""
    from tiny import make_tiny_model

    workflow = Workflow(tmp_path_factory.mktemp("workflow"))
    make_tiny_model(workflow.folder / "tiny")
    shutil.rmtree(workflow.folder / "tiny.bert")
    workflow.make()
    return workflow


@pytest.fixture
def workflow(finished: Workflow, tmp_path: Path) -> Iterator[Workflow]:
    """The finished experiment; whatever a test does to its files is undone."""
    saved = tmp_path / "saved"
    shutil.copytree(finished.folder, saved, symlinks=True)
    yield finished
    shutil.rmtree(finished.folder)
    shutil.copytree(saved, finished.folder, symlinks=True)
