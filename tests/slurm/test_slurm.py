"""The workflow on a real SLURM: `make test-slurm` starts one, runs these tests and shows how long all took."""

import json
import re
import shutil

import pytest
import torch
from project_copy import FILES
from safetensors.torch import load_file
from slurm_run import NO_GPU, copied, running

MODEL = "train/{}/seed0/model/model.safetensors"


def training(model):
    return f"rule_train_wildcards_{model}_0"


@pytest.fixture(autouse=True)
def _all_at_once(whole, troubled):
    """Starts the two long runs, beside which the tests of short ones take no time of their own."""


def test_a_job_that_fails_shows_its_log_and_what_does_not_need_it_is_made(finished, tmp_path):
    workflow = copied(finished, tmp_path / "failing", "search/docs/tiny", "train/tuned")
    recipe = {**FILES["models/tuned"]["trained"]["recipe"], "learning_rate": 1e30}
    workflow.write("models/tuned", {"trained": {**FILES["models/tuned"]["trained"], "recipe": recipe}})
    with running(workflow, *NO_GPU, "--retries", "0") as run:
        assert run.end() != 0
    assert "the loss is nan, expected a finite number" in run.text
    assert "Error in rule train" in run.text
    assert not (run.results / MODEL.format("tuned")).exists()
    assert (run.results / "search/docs/tiny/pretrained/test.top100.trec").is_file()
    assert list(workflow.folder.glob(".snakemake/slurm_logs/rule_train/tuned_0/*.log"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch has a GPU here, and SLURM's fake ones do no harm to it")
def test_jobs_with_a_gpu_ask_for_it_get_one_each_and_do_not_go_on_without(slurm, finished, tmp_path):
    workflow = copied(finished, tmp_path / "gpus", "encode")
    models = {"tiny": "pretrained", "tuned": "seed0"}
    targets = [f"results/encode/docs/{model}/{variant}/corpus.manifest.json" for model, variant in models.items()]
    with running(workflow, "--retries", "0", *targets) as run:
        assert run.end() != 0
    numbers = re.findall(r"submitted with SLURM jobid (\d+)", run.text)
    jobs = [job for job in slurm.jobs() if job["JobId"] in numbers]
    assert {job["Partition"] for job in jobs} == {"gpu"}
    assert [job["TresPerJob"] for job in jobs] == ["gres:gpu:1", "gres:gpu:1"]
    # Each has a node's only GPU to itself: one after the other on the same node, or at once on two.
    assert {job["NodeList"] for job in jobs} <= {"node1", "node2"}
    (first, second) = sorted(jobs, key=lambda job: job["StartTime"])
    assert first["NodeList"] != second["NodeList"] or first["EndTime"] <= second["StartTime"]
    assert run.text.count("a GPU was granted and there is one (CUDA_VISIBLE_DEVICES=0") >= 2
    assert "--resources gpu=0" in run.text
    assert not list(run.results.glob("encode/**/*.npy"))


def test_a_training_that_is_cancelled_goes_on_in_its_next_job_with_more_memory(slurm, troubled):
    assert troubled.end() == 0, troubled.text[-6000:]
    jobs = slurm.jobs_of(training("cancelled"))
    assert [job["JobState"] for job in jobs] == ["CANCELLED", "COMPLETED"]
    assert [job["MinMemoryNode"] for job in jobs] == ["16000M", "32000M"]
    assert "going on after step" in log(troubled, "cancelled")
    assert weights(troubled, "cancelled") == weights(troubled, "plain")


def test_a_training_that_runs_out_of_time_goes_on_in_its_next_job(slurm, troubled):
    assert troubled.end() == 0, troubled.text[-6000:]
    states = [job["JobState"] for job in slurm.jobs_of(training("timed"))]
    assert len(states) > 1
    assert states == ["TIMEOUT"] * (len(states) - 1) + ["COMPLETED"]
    assert "going on after step" in log(troubled, "timed")
    assert weights(troubled, "timed") == weights(troubled, "plain")


def test_a_training_whose_machine_goes_down_goes_on_on_another(slurm, troubled):
    assert troubled.end() == 0, troubled.text[-6000:]
    (job,) = slurm.jobs_of(training("lost"))
    assert (job["JobState"], job["Restarts"], job["Partition"]) == ("COMPLETED", "1", "big")
    assert "going on after step" in log(troubled, "lost")
    assert weights(troubled, "lost") == weights(troubled, "plain")


def test_two_machines_train_the_model_of_one(slurm, troubled):
    assert troubled.end() == 0, troubled.text[-6000:]
    (job,) = slurm.jobs_of(training("spread"))
    assert (job["NodeList"], job["NumTasks"]) == ("node[1-2]", "2")
    assert "1 processes of 2 threads on cpu, on each of 2 machines" in log(troubled, "spread")
    alone, together = (load_file(troubled.results / MODEL.format(name)) for name in ("plain", "spread"))
    assert alone.keys() == together.keys()
    for name, values in together.items():
        assert name.endswith("key.bias") or torch.allclose(values, alone[name], atol=1e-5)


def test_the_whole_experiment_gives_the_table_of_this_machine_and_nothing_is_left_to_do_anywhere(
    slurm, finished, whole, tmp_path
):
    assert whole.end() == 0, whole.text[-6000:]
    there, here = (folder / "experiments/tiny/table.tsv" for folder in (whole.results, finished.folder / "results"))
    assert there.read_bytes() == here.read_bytes()
    workflow = copied(finished, tmp_path / "again", ".")
    shutil.copytree(whole.results, workflow.folder / "results")
    assert workflow.planned() == {}
    assert workflow.planned("--profile", "profiles/slurm") == {}
    rules = {job["Comment"].split("_wildcards_")[0] for job in slurm.jobs() if job["WorkDir"] == str(whole.folder)}
    assert {"rule_dataset", "rule_train", "rule_encode_corpus"} < rules


def log(run, model):
    return (run.results / f"logs/train/{model}.seed0.log").read_text(encoding="utf-8")


def weights(run, model):
    """The model's bytes, which its manifest vouches for."""
    path = run.results / MODEL.format(model)
    assert json.loads((path.parents[1] / "manifest.json").read_text())["files"]
    return path.read_bytes()
