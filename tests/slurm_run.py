"""A workflow's run on SLURM, beside which a test can do something else."""

import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project_copy import Workflow

TIMEOUT = 900
"""Seconds; what takes two minutes on an idle machine may take long on a busy one."""
NO_GPU = ("--resources", "gpu=0")


class Run:
    """Snakemake with the profile for SLURM in a workflow's folder, from its start on."""

    def __init__(self, workflow: Workflow, *arguments: str) -> None:
        self.folder = workflow.folder
        self.results = workflow.folder / "results"
        self._log = workflow.folder / "snakemake.log"
        self._start, self.seconds = time.monotonic(), 0.0
        quick = ("--slurm-init-seconds-before-status-checks", "1")  # between two looks at the jobs
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", *quick, *arguments],
                cwd=workflow.folder,
                env=workflow.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """What Snakemake has said."""
        return self._log.read_text(encoding="utf-8")

    def end(self) -> int:
        """Wait for the end; returns the exit code."""
        code = self._process.wait(TIMEOUT)
        self.seconds = self.seconds or time.monotonic() - self._start
        print(f"\n{self.folder.name}: {self.seconds:.0f} seconds")
        return code

    def wait_for(self, pattern: str) -> Path:
        """The first file or folder of the results that fits."""
        end = time.monotonic() + TIMEOUT
        while not (found := sorted(self.results.glob(pattern))):
            assert self._process.poll() is None, f"the run ended without {pattern}:\n{self.text[-6000:]}"
            assert time.monotonic() < end, f"no {pattern} in {TIMEOUT} seconds:\n{self.text[-6000:]}"
            time.sleep(0.1)
        return found[0]

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def running(workflow: Workflow, *arguments: str) -> Iterator[Run]:
    """A run, which is ended with the block."""
    run = Run(workflow, *arguments)
    try:
        yield run
    finally:
        run.kill()


def copied(workflow: Workflow, folder: Path, *without: str) -> Workflow:
    """A copy of a workflow and its results, without some of them."""
    shutil.copytree(workflow.folder, folder, symlinks=True)
    for part in without:
        shutil.rmtree(folder / "results" / part)
    other = copy.copy(workflow)
    other.folder = folder
    return other
