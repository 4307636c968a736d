"""Runs of BM25 on NFCorpus, SciFact and Korean, Japanese and Chinese questions: ir_measures gives the same scores."""

import math
import random
from pathlib import Path

import ir_measures
import pytest
import yaml
from pydantic import TypeAdapter

from denseflow.bm25.index import build_index
from denseflow.bm25.search import search
from denseflow.collection import read_qrels
from denseflow.config.dataset import Dataset
from denseflow.dataset.export import export
from denseflow.evaluate.measures import evaluate
from denseflow.run_file import read_run

PROJECT = Path(__file__).resolve().parents[2]
MEASURES = ["nDCG@10", "nDCG", "R@10", "R@100", "AP", "AP@100", "RR", "RR@10", "P@5", "Success@1", "Success@5", "Rprec"]
PLACES = {  # the collection, its split, and its judged queries
    "scifact": ("test", 300),
    "nfcorpus-files": ("test", 323),
    "korquad": ("test", None),
    "jaquad": ("test", None),
    "jsquad": ("test", 4442),
    "drcd-cmrc": ("drcd", None),
}
MOST = 200
"""Queries that are scored, drawn: ir_measures takes its time."""


def laid_out(name, folder):
    """The collection as its file in config/datasets says, from the files beside the project."""
    dataset = TypeAdapter(Dataset).validate_python(
        yaml.safe_load((PROJECT / "config/datasets" / f"{name}.yaml").read_text(encoding="utf-8"))
    )
    export((dataset.mirror or dataset.source).model_dump(exclude_none=True), folder)
    return dataset.language


def means(qrels, run):
    values: dict[str, list[float]] = {}
    for score in evaluate(qrels, run, MEASURES):
        values.setdefault(score.measure, []).append(score.value)
    return {measure: math.fsum(each) / len(each) for measure, each in values.items()}


@pytest.mark.parametrize("name", PLACES)
def test_a_run_is_scored_as_ir_measures_scores_it(shared, tmp_path, monkeypatch, name):
    monkeypatch.chdir(PROJECT)
    split, judged = PLACES[name]
    folder = tmp_path / "dataset"
    language = laid_out(name, folder)
    qrels = read_qrels(folder / f"qrels.{split}.tsv")
    assert judged in (None, len(qrels))
    index, run_file = tmp_path / "index" / "manifest.json", tmp_path / "test.trec"
    build_index(folder / "corpus.jsonl", folder / "manifest.json", index.parent, analyzer=language)
    how = {"k1": 0.9, "b": 0.4, "depth": 100, "threads": 1, "dataset_manifest": folder / "manifest.json"}
    search(index, folder / f"queries.{split}.jsonl", run_file, **how)
    some = random.Random(0).sample(sorted(qrels), min(MOST, len(qrels)))
    qrels, run = {query: qrels[query] for query in some}, read_run(run_file)
    run = {query: run[query] for query in some[1:] if query in run}  # a judged query without results counts 0
    expected = ir_measures.calc_aggregate(list(map(ir_measures.parse_measure, MEASURES)), qrels, run)
    found = means(qrels, run)
    assert found == pytest.approx({str(one): value for one, value in expected.items()}, abs=1e-12)
    assert found["nDCG@10"] > 0.3
