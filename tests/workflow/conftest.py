"""The tiny experiment, finished, for a test of the whole workflow to change."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_copy import Workflow


@pytest.fixture
def workflow(finished: Workflow, tmp_path: Path) -> Iterator[Workflow]:
    """The finished experiment; whatever a test does to its files is undone."""
    saved = tmp_path / "saved"
    shutil.copytree(finished.folder, saved, symlinks=True)
    yield finished
    shutil.rmtree(finished.folder)
    shutil.copytree(saved, finished.folder, symlinks=True)
