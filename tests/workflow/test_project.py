"""The project's own experiments and rules, as Snakemake sees them."""

import re
import shutil

import pytest
from originals import EXPERIMENTS as OF_ORIGINALS
from project_copy import PROJECT, Workflow, lay_out_own_configuration

from denseflow.config.registry import Registry

NAMES = [path.stem for path in sorted((PROJECT / "config" / "experiments").glob("*.yaml"))]
EXPERIMENTS = [name for name in NAMES if name not in OF_ORIGINALS]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A copy of the project with its own configuration and no results."""
    workflow = Workflow(tmp_path_factory.mktemp("project") / "project")
    lay_out_own_configuration(workflow.folder)
    return workflow


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_each_experiment_has_a_plan_with_all_stages_that_its_systems_need(project, experiment, monkeypatch):
    monkeypatch.chdir(project.folder)
    registry = Registry({"experiments": [experiment]})
    needed = set()
    if registry.experiments[experiment].evaluate_on:
        needed |= {"dataset", "evaluate", "report"}
    if any(system.bm25 is not None for system in registry.experiments[experiment].systems.values()):
        needed |= {"bm25_index", "bm25_search"}
    if registry.models:
        needed |= {"pretrained"}
    if registry.models and registry.datasets:
        needed |= {"encode_corpus", "encode_queries", "search"}
    training = {"negatives", "train", "model_card"}
    if any(model.trained is not None for model in registry.models.values()):
        needed |= training
    planned = project.planned("--config", f"experiments=[{experiment}]").keys()
    assert needed - planned == set()
    assert planned & training == needed & training


def test_snakemake_s_linter_finds_nothing(project):
    assert "Congratulations" in project.make("--lint")


def test_a_mistake_in_the_configuration_stops_before_anything_runs_with_its_message(project):
    done = project.run("--config", "experiments=[quickstrat]")
    assert done.returncode != 0
    assert "did you mean 'quickstart'?" in done.stdout + done.stderr
    assert not (project.folder / "results").exists()


def test_every_rule_declares_log_benchmark_environment_threads_memory_and_run_time():
    for file in sorted((PROJECT / "rules").glob("*.smk")):
        rules = file.read_text(encoding="utf-8").split("\nrule ")[1:] or [file.read_text(encoding="utf-8")]
        for rule in [rule for rule in rules if "script:" in rule]:
            for directive in ("log:", "benchmark:", "conda:", "threads:", "mem_mb=", "runtime=", "params:", "output:"):
                assert directive in rule, f"{file.name}: no {directive}"


def test_what_computes_with_a_model_declares_its_gpu_and_nothing_else_does():
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((PROJECT / "rules").glob("*.smk")))
    rules = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL))
    assert {name for name, rule in rules.items() if " gpu=" in rule} == {
        "teacher_scores", "train", "score_checkpoints", "encode_shard", "encode_corpus", "encode_queries",
        "rerank", "similarity", "search", "search_index",
    }  # fmt: skip


@pytest.mark.parametrize(("limit", "said"), [("gpu=0", False), ("gpu=1", True), ("mem_mb=99999", True)])
def test_a_granted_gpu_that_the_machine_lacks_is_spoken_of_and_the_cpu_used(workflow, limit, said):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    shutil.rmtree(workflow.folder / "results/encode")
    text = workflow.make("results/encode/docs/tiny/pretrained/queries.test.manifest.json", "--resources", limit)
    assert ("GPU" in text) == said
    assert "encoding on cpu" in text
