"""The plan that is printed beforehand, against what the finished experiment took."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import yaml

from denseflow.config.registry import Registry
from denseflow.workflow.graph import Graph
from denseflow.workflow.plan import Plan, Step
from denseflow.workflow.plan_sizes import run_lines, vectors_bytes


@pytest.fixture
def steps(finished, monkeypatch) -> list[Step]:
    """The plan of the tiny experiment, made with its results there."""
    monkeypatch.chdir(finished.folder)
    configuration = yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8"))
    return Plan(Graph(Registry(configuration), finished.folder), cores=2).steps()


def test_every_step_of_a_finished_experiment_is_known_to_be_made(steps):
    assert steps
    assert [step.what for step in steps if not step.made] == []


def test_what_is_planned_on_disk_is_what_the_finished_experiment_takes(steps):
    planned: dict[str, float] = defaultdict(float)
    for step in steps:
        planned[step.stage] += step.bytes
    found = {
        stage: sum(file.stat().st_size for file in Path("results", stage).rglob("*") if file.is_file())
        for stage in planned
    }
    assert planned["dataset"] == found["dataset"]
    for stage, most in (("bm25", 1.5), ("negatives", 1.5), ("encode", 1.1), ("search", 1.3)):
        assert found[stage] / most < planned[stage] < found[stage] * most, (stage, planned[stage], found[stage])


def test_the_bytes_of_vectors_and_the_lines_of_exact_runs_are_planned_exactly(finished):
    results = finished.folder / "results"
    for manifest in (results / "encode").rglob("corpus.manifest.json"):
        shards = sorted(manifest.with_name("corpus").glob("*.npy"))
        rows, dimensions = sum(len(np.load(shard)) for shard in shards), np.load(shards[0]).shape[1]
        assert vectors_bytes(rows, dimensions) == sum(shard.stat().st_size for shard in shards)
    counts = json.loads((results / "dataset/docs/manifest.json").read_text())["counts"]
    runs = list((results / "search").rglob("test.top*.trec"))
    assert runs
    for run in runs:
        lines = run.read_bytes().count(b"\n")
        assert lines == run_lines(counts["splits"]["test"]["queries"], 100, counts["documents"])


def test_the_plan_is_printed_and_nothing_made(workflow):
    before = {path for path in workflow.folder.rglob("*") if ".snakemake" not in path.parts}
    printed = workflow.make("plan", "--config", "experiments=[tiny]")
    assert "what is left to make, on 2 cores" in printed
    after = {path for path in workflow.folder.rglob("*") if ".snakemake" not in path.parts}
    assert after - before <= {workflow.folder / "results/logs/plan.txt"}
