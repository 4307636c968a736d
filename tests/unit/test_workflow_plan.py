"""What the plan knows beforehand: sizes, shapes and counts."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from denseflow.config.registry import Registry
from denseflow.config.search_index import Flat, Hnsw, IvfPq, ScalarQuantizer
from denseflow.workflow.graph import Graph
from denseflow.workflow.plan import Plan, Step
from denseflow.workflow.plan_facts import Measured, collection_facts, model_facts
from denseflow.workflow.plan_sizes import SHARD_ROWS, index_bytes, run_lines, vectors_bytes
from denseflow.workflow.plan_speeds import THREADS
from denseflow.workflow.plan_table import duration, print_plan, size
from denseflow.workflow.searches import search_gpus

PROJECT = Path(__file__).resolve().parents[2]


def graph_of(folder: Path, experiment: str = "planned", results: str = "results") -> Graph:
    return Graph(Registry({"experiments": [experiment], "results": str(folder / results)}, folder / "config"), PROJECT)


@pytest.fixture
def planned(tmp_path):
    """A function that plans an experiment of one model over one dataset, with changes to each file."""

    def plan(dataset=None, model=None, system=None) -> Graph:
        for name, number in (("a", 8), ("b", 16)):
            (tmp_path / "encoder" / name).mkdir(parents=True, exist_ok=True)
            config = {"hidden_size": number, "num_hidden_layers": 2}
            (tmp_path / "encoder" / name / "config.json").write_text(json.dumps(config))
        (tmp_path / "collection").mkdir(exist_ok=True)
        files = {
            "datasets/d": {
                "source": {"type": "beir", "path": str(tmp_path / "collection"), "splits": ["test"]},
                **(dataset or {}),
            },
            "models/m": {"pretrained": {"path": str(tmp_path / "encoder")}, **(model or {})},
            "experiments/planned": {
                "evaluate_on": [{"dataset": "d"}],
                "systems": {"before": {"model": "m", **(system or {})}},
            },
        }
        for name, value in files.items():
            path = tmp_path / "config" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(value))
        return graph_of(tmp_path)

    return plan


def step(graph: Graph, stage: str) -> Step:
    """The first step of a stage, on 64 cores."""
    return next(step for step in Plan(graph, 64).steps() if step.stage == stage)


@pytest.mark.parametrize(
    ("rows", "dimensions", "dtype"), [(1, 3, np.float32), (SHARD_ROWS, 8, np.float16), (9000, 5, np.float32)]
)
def test_the_bytes_of_vectors_are_those_of_the_files(tmp_path, rows, dimensions, dtype):
    for start in range(0, rows, SHARD_ROWS):
        np.save(tmp_path / f"{start}.npy", np.zeros((min(SHARD_ROWS, rows - start), dimensions), dtype))
    found = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert vectors_bytes(rows, dimensions, np.dtype(dtype).itemsize) == found


@pytest.mark.parametrize(("kind", "gpus"), [("encoder", 2), ("sparse_encoder", 0)])
def test_only_a_search_of_dense_vectors_takes_the_datasets_gpus(planned, kind, gpus):
    graph = planned(dataset={"documents": 1000, "run": {"search_gpus": 2}}, model={"kind": kind})
    assert search_gpus(graph, "d", "m") == gpus
    found = step(graph, "search")
    assert (found.gpu == found.cpu) == (gpus == 0)


def test_a_run_has_no_more_lines_a_query_than_there_are_documents():
    assert run_lines(10, 1000, 20) == 200
    assert run_lines(10, 5, 20) == 50


def test_a_dataset_s_documents_are_what_its_file_says_until_it_is_made(planned):
    assert collection_facts(planned(), "d").documents is None
    assert collection_facts(planned({"documents": 5000}), "d").documents == 5000


def test_float16_takes_half_the_space(planned):
    whole = step(planned({"documents": 100_000}), "encode").bytes
    half = step(planned({"documents": 100_000}, {"encode": {"storage": "float16"}}), "encode").bytes
    assert whole - half == 100_000 * 8 * 2


def test_ir_datasets_counts_are_known_without_a_download(tmp_path):
    graph = Graph(Registry({"experiments": ["msmarco-passage"], "results": str(tmp_path)}, PROJECT / "config"), PROJECT)
    facts = collection_facts(graph, "msmarco-passage")
    assert facts.documents == 8_841_823
    assert facts.queries == {"train": 502_939, "dev": 6_980, "dl19": 43, "dl20": 54}
    assert facts.positives["train"] == pytest.approx(532_761 / 502_939)
    stages = {step.stage for step in Plan(graph, 8).steps()}
    assert stages == {"dataset", "bm25", "negatives", "train", "encode", "search", "evaluate", "report"}
    assert not (tmp_path / "dataset").exists()


def test_a_model_s_shape_is_read_from_its_folder_and_else_assumed(planned):
    facts = model_facts(planned(), "m")
    assert (facts.dimensions, facts.layers, facts.width) == (8, 2, 8)
    hub = planned(model={"pretrained": {"hub": "someone/something"}})
    assert model_facts(hub, "m").dimensions == 768


@pytest.mark.parametrize(
    ("index", "bytes_a_vector"),
    [
        (IvfPq(type="ivf_pq", m=16), 24),
        (ScalarQuantizer(type="sq"), 64),
        (Hnsw(type="hnsw", m=4), 4 * 64 + 34),
        (Flat(type="flat"), 256),
    ],
)
def test_an_index_s_bytes_grow_with_what_it_keeps_of_a_vector(index, bytes_a_vector):
    million, two = (index_bytes(index, rows, 64) for rows in (10**6, 2 * 10**6))
    assert two - million == pytest.approx(bytes_a_vector * 10**6, rel=0.02)


def test_what_nobody_knows_is_marked_and_what_follows_from_it_too(planned, tmp_path, capsys):
    print_plan(planned(), 2, tmp_path / "plan.txt")
    printed = (tmp_path / "plan.txt").read_text()
    assert "unknown number of documents" in printed
    assert "?" in next(line for line in printed.splitlines() if line.startswith("│ encode"))
    assert capsys.readouterr().out.strip() == printed.strip()


def test_sharing_the_encoding_among_jobs_is_more_jobs_and_less_time_on_gpus(planned):
    large = {"documents": 10**7}
    model = {"contract": {"passage_max_length": 512}}
    one = step(planned(large, model), "encode")
    eight = step(planned({**large, "run": {"encode_jobs": 8}}, model), "encode")
    assert (one.jobs, eight.jobs) == (1, 9)
    assert eight.gpu <= one.gpu
    assert eight.bytes == one.bytes


def test_a_speed_that_was_measured_here_counts_but_not_that_of_a_job_that_found_others_shards(planned, tmp_path):
    graph = planned({"documents": 1000})
    manifest = tmp_path / "results/encode/d/m/pretrained/corpus.manifest.json"
    benchmarks = tmp_path / "results/benchmarks/encode"
    for folder in (manifest.parent, benchmarks):
        folder.mkdir(parents=True)
    manifest.write_text(json.dumps({"shards": [{"rows": 500}, {"rows": 100}]}))
    (benchmarks / "d.m.pretrained.corpus.tsv").write_text("s\tmax_rss\n6.0\t1\n")
    assert Measured(graph).passages_a_second("m") == 100
    (benchmarks / "d.m.pretrained.corpus.0-of-2.tsv").write_text("s\n600\n")
    assert Measured(graph).passages_a_second("m") is None


def test_a_job_has_as_many_threads_as_its_rule_says():
    text = "".join(path.read_text() for path in sorted((PROJECT / "rules").glob("*.smk")))
    threads = dict(re.findall(r"^rule (\w+):.*?^    threads:(.*?)^    \w+:", text, re.MULTILINE | re.DOTALL))
    assert {rule: max(map(int, re.findall(r"\b\d\b", threads[rule]))) for rule in THREADS} == THREADS


def test_more_cores_than_a_job_has_threads_make_it_no_quicker(planned):
    graph = planned({"documents": 10**7})
    few, many = (Plan(graph, cores).steps() for cores in (8, 64))
    assert [step.cpu for step in few] == [step.cpu for step in many]


def test_numbers_are_printed_as_people_read_them():
    assert [size(count) for count in (7, 1500, 13_600_000_000)] == ["7 B", "1.5 kB", "13.6 GB"]
    assert [duration(seconds) for seconds in (0, 59, 600, 7500, 200_000)] == [
        *("1 s", "59 s", "10 min", "2 h 05 min", "2.3 days")
    ]
