"""Snakemake and its jobs are killed in the middle; the same command then ends with the bits of an unbroken run."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

TIMEOUT = 300


def wait_for(pattern: str, folder: Path, process: subprocess.Popen) -> None:
    end = time.monotonic() + TIMEOUT
    while not list(folder.glob(pattern)):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, f"no {pattern} in {TIMEOUT} seconds"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("damage", "unfinished", "result", "manifest"),
    [
        (
            "train/tuned",
            "work/train/tuned.seed0/*/step-*",
            "train/tuned/seed0/model/model.safetensors",
            "train/tuned/seed0/manifest.json",
        ),
        (
            "encode/docs/tiny",
            "encode/docs/tiny/pretrained/corpus/*.json",
            "encode/docs/tiny/pretrained/corpus/00012.npy",
            "encode/docs/tiny/pretrained/corpus.manifest.json",
        ),
    ],
)
def test_a_kill_in_the_middle_costs_nothing_but_time(workflow, damage, unfinished, result, manifest):
    workflow.edit("config/models/tuned.yaml", "max_steps: 4", "max_steps: 40")
    workflow.edit("config/models/tuned.yaml", "every_steps: 3", "every_steps: 30")
    workflow.edit("config/config.yaml", "experiments:", "checkpoint_minutes: 0.001\nexperiments:")
    workflow.edit("workflow_scripts/denseflow/encode/corpus_shards.py", "SHARD_SIZE = 4096", "SHARD_SIZE = 100")
    results = workflow.folder / "results"
    target = f"results/{manifest}"
    workflow.make(target)
    expected = (results / result).read_bytes()

    shutil.rmtree(results / damage)
    log = (workflow.folder / "killed.log").open("w")
    killed = subprocess.Popen(
        workflow.command(target),
        cwd=workflow.folder,
        env=workflow.environment(),
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    wait_for(unfinished, results, killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (results / result).exists()
    kept = list(results.glob(unfinished))
    assert kept

    workflow.make("--unlock")
    text = workflow.make(target)
    assert (results / result).read_bytes() == expected
    if damage == "train/tuned":
        assert "going on after step" in text
    assert workflow.planned(target) == {}
