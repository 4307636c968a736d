"""What jobs ask of a cluster, as a dry run with the profile for SLURM shows it; no SLURM is needed for that."""

import re
import shutil

import pytest

SLURM = ("--profile", "profiles/slurm")


def asked(workflow, rule, *arguments):
    """The resources of the first job of a rule, by name."""
    text = workflow.make("--dry-run", *arguments)
    resources = re.search(rf"^ *rule {rule}:\n.*?resources: (.*?)$", text, re.MULTILINE | re.DOTALL).group(1)
    return dict(part.split("=", 1) for part in resources.split(", ") if "=" in part)


@pytest.fixture
def untrained(workflow):
    """The finished experiment but for its training."""
    shutil.rmtree(workflow.folder / "results/train/tuned")
    return workflow


def test_a_training_asks_for_its_gpus_memory_and_time_and_for_more_memory_when_it_is_tried_again(untrained):
    untrained.edit("config/models/tuned.yaml", "trained:", "run: {processes: 4, mem_mb: 1000, runtime: 30}\ntrained:")
    first = asked(untrained, "train", *SLURM)
    assert (first["gpu"], first["mem_mb"], first["runtime"]) == ("4", "1000", "30")
    assert not {"mpi", "tasks", "gres", "slurm_extra"} & set(first)
    third = asked(untrained, "train", *SLURM, "--attempt", "3")
    assert (third["mem_mb"], third["runtime"]) == ("3000", "30")
    assert asked(untrained, "train", *SLURM, "--attempt", "3", "--resources", "mem_mb=2500")["mem_mb"] == "2500"


def test_on_several_machines_it_asks_for_a_task_and_the_gpus_on_each(untrained):
    untrained.edit("config/models/tuned.yaml", "trained:", "run: {processes: 4, nodes: 2}\ntrained:")
    resources = asked(untrained, "train", *SLURM)
    assert {name: resources.get(name) for name in ("gpu", "nodes", "tasks", "mpi", "tasks_per_gpu", "slurm_extra")} == {
        **{"gpu": "8", "nodes": "2", "tasks": "2", "mpi": "srun", "tasks_per_gpu": "0"},
        "slurm_extra": "--gpus-per-node=4",
    }
    resources = asked(untrained, "train", *SLURM, "--resources", "gpu=0")
    assert resources["gpu"] == "0"
    assert "slurm_extra" not in resources


def test_a_collection_says_what_its_jobs_need(workflow):
    shutil.rmtree(workflow.folder / "results")
    workflow.edit("config/datasets/docs.yaml", "source:", "run: {mem_mb: 500, runtime: 7}\nsource:")
    for rule in ("dataset", "bm25_index", "bm25_search", "negatives", "search"):
        again = asked(workflow, rule, *SLURM, "--attempt", "2")
        assert (again["mem_mb"], again["runtime"]) == ("1000", "14"), rule


def test_a_model_says_what_the_jobs_need_that_compute_with_it(workflow):
    shutil.rmtree(workflow.folder / "results")
    workflow.edit("config/datasets/docs.yaml", "source:", "run: {encode_jobs: 2}\nsource:")
    for model, key in (("tuned", "trained:"), ("tiny", "pretrained:")):
        workflow.edit(f"config/models/{model}.yaml", key, f"run: {{mem_mb: 500, runtime: 7}}\n{key}")
    for rule, runtime in {"encode_shard": "7", "encode_corpus": "7", "encode_queries": "14"}.items():
        again = asked(workflow, rule, *SLURM, "--attempt", "2")
        assert (again["mem_mb"], again["runtime"]) == ("1000", runtime), rule


def test_going_to_a_cluster_or_back_makes_nothing_again(workflow):
    assert workflow.planned(*SLURM) == workflow.planned() == {}
