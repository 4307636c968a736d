"""SLURM, and two runs of the workflow on it that several tests look at; they go on while other tests run."""

import shutil
from collections.abc import Iterator

import pytest
import yaml
from project_copy import EXPERIMENT, FILES, Workflow
from slurm_cluster import Cluster, cluster, wait_for, why_not
from slurm_run import NO_GPU, Run, copied, running

STEPS = 12
PAUSES = {"timed": 7, "cancelled": 1.5, "lost": 1.5}
"""Seconds before each step of a training, so that something can happen to it."""
TROUBLED = {
    "plain": {},
    "timed": {"runtime": 1},
    "cancelled": {},
    "lost": {"mem_mb": 250_000},
    "spread": {"nodes": 2},
}
"""Trainings of one model under several names, by which Snakemake takes them for different ones, and their `run`."""
PARTITIONS = {
    "cpu": {"max_mem_mb": 200_000},
    "gpu": {"max_mem_mb": 200_000, "max_gpu": 2},
    "big": {"max_mem_mb": 400_000},
}
SLOWER = f"""import time
from denseflow.train.resumable import ResumableTrainer

step = ResumableTrainer.training_step
pause = {PAUSES}.get(snakemake.wildcards.model, 0)
ResumableTrainer.training_step = lambda *rest: time.sleep(pause) or step(*rest)

"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A SLURM of its own; the tests that need it are skipped where it cannot be started."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with cluster(tmp_path_factory.mktemp("slurm")) as running_cluster:
        yield running_cluster
        for job in running_cluster.jobs():
            keys = ("JobId", "Comment", "JobState", "Restarts", "Partition", "NodeList", "RunTime")
            print("  ".join(job.get(key, "") for key in keys))


@pytest.fixture(scope="module")
def whole(slurm: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The tiny experiment, from nothing."""
    from tiny import make_tiny_model

    workflow = Workflow(tmp_path_factory.mktemp("whole"))
    make_tiny_model(workflow.folder / "tiny")
    shutil.rmtree(workflow.folder / "tiny.bert")
    with running(workflow, *NO_GPU) as run:
        yield run


@pytest.fixture(scope="module")
def troubled(slurm: Cluster, finished: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Trainings that run out of time, are cancelled, lose their machine, and take two machines."""
    workflow = copied(finished, tmp_path_factory.mktemp("trainings") / "troubled")
    recipe = {"batch_size": 32, "max_steps": STEPS, "learning_rate": 1.0e-4}
    trained = {"base": "tiny", "data": {"dataset": "docs", "negatives": "mined"}, "recipe": recipe}
    for name, run in TROUBLED.items():
        workflow.write(f"models/{name}", {"trained": trained, "run": {"threads": 2, **run}})
    systems = {**EXPERIMENT["systems"], **{name: {"model": name} for name in TROUBLED}}
    workflow.write("experiments/tiny", {**EXPERIMENT, "systems": systems})
    workflow.write("config", {**FILES["config"], "checkpoint_minutes": 0.02})
    (workflow.folder / "profiles/slurm/partitions.yaml").write_text(yaml.safe_dump({"partitions": PARTITIONS}))
    workflow.edit("workflow_scripts/train.py", "with stage_log", f"{SLOWER}with stage_log")
    targets = [f"results/train/{name}/seed0/manifest.json" for name in TROUBLED]
    with running(workflow, *NO_GPU, "--retries", "9", *targets) as run:
        run.wait_for("work/train/cancelled.seed0/*/step-3")
        slurm.cancel(slurm.running(training("cancelled")))
        run.wait_for("work/train/lost.seed0/*/step-3")
        node = slurm.running(training("lost"))["NodeList"]
        slurm.lose_node(node)
        wait_for(lambda: [job for job in slurm.jobs_of(training("lost")) if job["JobState"] == "RUNNING"], "a restart")
        slurm.bring_back(node)
        yield run


def training(model: str) -> str:
    """What SLURM's jobs of a training have as their comment."""
    return f"rule_train_wildcards_{model}_0"
