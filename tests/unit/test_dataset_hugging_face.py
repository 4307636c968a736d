"""Hugging Face datasets: folders of files, saved ones, and the hub at a commit that is recorded."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from fake_hub import FakeHub

from denseflow.collection import read_answers, read_corpus, read_qrels, read_queries
from denseflow.config.answers import check_answers
from denseflow.config.dataset import Dataset
from denseflow.config.experiment import Experiment
from denseflow.config.load import check
from denseflow.config.registry import Registry
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.workflow.canonical import canonical
from denseflow.workflow.graph import Graph

CARD = """\
---
configs:
- config_name: corpus
  data_files: [{split: corpus, path: corpus.jsonl}]
- config_name: queries
  data_files: [{split: queries, path: queries.jsonl}]
- config_name: default
  data_files: [{split: test, path: test.jsonl}]
---
"""
DOCUMENTS = [{"_id": "d1", "title": "Apples", "text": "red"}, {"_id": "d2", "title": None, "text": "green"}]
QUERIES = {"n": [1, 2, 3], "q": ["red?", "green?", "none?"], "a": [["red"], [], []]}
SOURCE = {
    "documents": [{"config": "corpus", "split": "corpus", "id": "_id", "title": "title", "text": ["text"]}],
    "queries": [{"config": "queries", "split": "queries", "id": "n", "text": ["q"], "answers": "a"}],
    "judgements": {"test": {"config": "default", "split": "test", "query": "n", "document": "d", "level": "score"}},
}


def exported(folder: Path, **source) -> Path:
    """The collection of a source as config/datasets has it."""
    dataset = check(Dataset, {"source": {"type": "hugging_face", **source}}, "here.yaml")
    export(json.loads(canonical(dataset.source)), folder, revisions=folder.parent / "revisions.json")
    return folder


def all_of(folder: Path) -> tuple:
    """Documents, queries, answers and judgements of the split test."""
    queries = folder / "queries.test.jsonl"
    documents = [tuple(one) for one in read_corpus(folder / "corpus.jsonl")]
    return documents, read_queries(queries), read_answers(queries), read_qrels(folder / "qrels.test.tsv")


EXPECTED = (
    [("d1", "Apples", "red"), ("d2", "", "green")],
    {"1": "red?", "2": "green?"},
    {"1": ["red"]},
    {"1": {"d1": 2}, "2": {"d2": 1, "d1": 0}},
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets cache")
    path = tmp_path / "fruit"
    path.mkdir()
    (path / "README.md").write_text(CARD)
    (path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in DOCUMENTS))
    rows = [{"n": n, "d": d, "score": score} for n, d, score in ((1, "d1", 2), (2, "d2", 1), (2, "d1", 0))]
    (path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    datasets.Dataset.from_dict(QUERIES).to_json(path / "queries.jsonl")
    return path


def test_a_folder_s_configurations_make_a_collection(folder, tmp_path):
    out = exported(tmp_path / "out", path=str(folder), **SOURCE)
    assert all_of(out) == EXPECTED
    assert not (tmp_path / "datasets cache").exists()
    assert "revision" not in read_manifest(out / "manifest.json")["facts"]


def test_a_folder_that_the_library_saved_is_read_with_its_splits(tmp_path):
    import datasets

    pairs = {
        "question": ["who?", "where?"],
        "context": ["Ann.", "Paris."],
        "answers": [{"text": ["Ann"]}, {"text": []}],
    }
    datasets.DatasetDict({"validation": datasets.Dataset.from_dict(pairs)}).save_to_disk(tmp_path / "saved")
    columns = {"query": "question", "passage": "context", "answers": "answers.text"}
    out = exported(tmp_path / "out", path=str(tmp_path / "saved"), pairs={"test": {"split": "validation", **columns}})
    documents, queries, answers, qrels = all_of(out)
    assert [(title, text) for _, title, text in documents] == [("", "Ann."), ("", "Paris.")]
    assert (list(queries.values()), list(answers.values()), len(qrels)) == (["who?", "where?"], [["Ann"]], 2)
    with pytest.raises(DenseflowError, match="no split 'train'; there are 'validation'"):
        exported(tmp_path / "out", path=str(tmp_path / "saved"), pairs={"test": {"split": "train", **columns}})


def test_nfcorpus_as_parquet_is_nfcorpus(shared, tmp_path):
    import datasets

    data, folder = shared / "data/nfcorpus", tmp_path / "parquet"
    with gzip.open(data / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    datasets.Dataset.from_list(rows).to_parquet(folder / "corpus.parquet")
    rows = [json.loads(line) for line in (data / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    datasets.Dataset.from_list(rows).to_parquet(folder / "queries.parquet")
    qrels = read_qrels(data / "qrels/test.tsv")
    rows = [{"q": query, "d": one, "level": level} for query, judged in qrels.items() for one, level in judged.items()]
    datasets.Dataset.from_list(rows).to_parquet(folder / "qrels.parquet")
    configs = "".join(
        f"- config_name: {name}\n  data_files: [{{split: test, path: {name}.parquet}}]\n"
        for name in ("corpus", "queries", "qrels")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    out = exported(
        tmp_path / "out",
        path=str(folder),
        documents=[{"config": "corpus", "split": "test", "id": "_id", "title": "title", "text": ["text"]}],
        queries=[{"config": "queries", "split": "test", "id": "_id", "text": ["text"]}],
        judgements={"test": {"config": "qrels", "split": "test", "query": "q", "document": "d", "level": "level"}},
    )
    assert read_qrels(out / "qrels.test.tsv") == qrels
    assert list(read_corpus(out / "corpus.jsonl")) == list(read_corpus(data / "corpus.jsonl.gz"))
    assert len(read_queries(out / "queries.test.jsonl")) == 323


def test_korquad_in_the_hub_s_columns_has_the_questions_and_passages_that_its_json_has(shared, tmp_path):
    import datasets

    file = shared / "data/korquad/KorQuAD_v1.0_dev.json.gz"
    with gzip.open(file, "rt", encoding="utf-8") as text:
        articles = json.load(text)["data"]
    rows = [
        {"id": one["id"], "title": article["title"], "context": paragraph["context"], "question": one["question"]}
        | {"answers": {name: [answer[name] for answer in one["answers"]] for name in ("text", "answer_start")}}
        for article in articles
        for paragraph in article["paragraphs"]
        for one in paragraph["qas"]
    ]
    datasets.DatasetDict({"validation": datasets.Dataset.from_list(rows)}).save_to_disk(tmp_path / "saved")
    columns = {"query": "question", "query_id": "id", "passage": "context", "title": "title", "answers": "answers.text"}
    out = exported(tmp_path / "out", path=str(tmp_path / "saved"), pairs={"test": {"split": "validation", **columns}})
    squad = {"type": "squad", "files": {"dev": {"path": str(file)}}, "splits": {"test": [{"file": "dev"}]}}
    dataset = check(Dataset, {"source": squad}, "korquad.yaml")
    export(json.loads(canonical(dataset.source)), tmp_path / "squad")
    documents, queries, answers, qrels = all_of(out)
    expected, expected_queries, expected_answers, expected_qrels = all_of(tmp_path / "squad")
    assert (queries, answers) == (expected_queries, expected_answers)
    assert (len(queries), len(documents), len(expected)) == (5774, 960, 961)
    texts, expected_texts = ({one: (title, text) for one, title, text in found} for found in (documents, expected))
    assert set(texts.values()) < set(expected_texts.values())  # but for the one passage without a question
    for query_id, judged in qrels.items():
        assert {texts[one] for one in judged} == {expected_texts[one] for one in expected_qrels[query_id]}


def test_what_is_not_there_is_said_with_what_there_is(folder, tmp_path):
    def fails(match, **changes):
        with pytest.raises(DenseflowError, match=match):
            exported(tmp_path / "out", **{"path": str(folder), **SOURCE, **changes})

    document = SOURCE["documents"][0]
    fails("config 'body', split 'corpus' cannot be read.*corpus", documents=[{**document, "config": "body"}])
    fails("split 'train' cannot be read.*corpus", documents=[{**document, "split": "train"}])
    fails(
        r"\(corpus, corpus\), row 1: no column 'body'; there are _id, title, text",
        documents=[{**document, "text": ["body"]}],
    )
    (folder / "corpus.jsonl").write_text("no JSON")
    fails("config 'corpus', split 'corpus' cannot be read.*JSON parse error")
    fails("no such folder", path=str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"hub": "a/b", "path": "c", **SOURCE}, "either `hub` or `path`"),
        (SOURCE, "either `hub` or `path`"),
        ({"path": "c", "revision": "main", **SOURCE}, "`revision` goes with `hub`"),
        ({"path": "c"}, "give either `documents`"),
    ],
)
def test_a_source_that_says_too_little_or_too_much_is_refused(tmp_path, source, message):
    with pytest.raises(DenseflowError, match=message):
        exported(tmp_path / "out", **source)


EXPORT = """
import json, sys
from pathlib import Path
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError
try:
    folder = Path(sys.argv[2])
    export(json.loads(sys.argv[1]), folder, revisions=folder.parent / "revisions.json")
except DenseflowError as error:
    sys.exit(str(error))
"""


def test_the_hub_s_commit_is_recorded_and_kept_and_no_other_is_taken_from_the_cache(folder, tmp_path):
    scripts = Path(__file__).resolve().parents[2] / "workflow_scripts"
    dataset = check(Dataset, {"source": {"type": "hugging_face", "hub": "org/fruit", **SOURCE}}, "here.yaml")
    options, revisions = canonical(dataset.source), tmp_path / "revisions.json"

    def run(name, **variables):
        home = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(scripts)}
        command = [sys.executable, "-c", EXPORT, options, str(tmp_path / name)]
        return subprocess.run(command, env={**os.environ, **home, **variables}, capture_output=True, text=True)

    with FakeHub("org/fruit", folder, kind="datasets").running() as hub:
        done = run("one", HF_ENDPOINT=hub.url)
        assert done.returncode == 0, done.stderr
        assert all_of(tmp_path / "one") == EXPECTED
        assert read_manifest(tmp_path / "one" / "manifest.json")["facts"]["revision"] == "a" * 40
        assert json.loads(revisions.read_text()) == {"org/fruit": {"commit": "a" * 40}}
        hub.commit = "c" * 40
        done = run("two", HF_ENDPOINT=hub.url)
        assert done.returncode == 0, done.stderr
        assert read_manifest(tmp_path / "two" / "manifest.json")["facts"]["revision"] == "a" * 40
    revisions.write_text(json.dumps({"org/fruit": {"commit": "c" * 40}}))
    done = run("three", HF_HUB_OFFLINE="1")
    assert done.returncode != 0
    assert f"org/fruit at cccccccccccc: not in the cache of the datasets library, which has '{'a' * 40}'" in done.stderr
    revisions.unlink()
    assert "dataset 'org/fruit' cannot be found on the Hugging Face hub" in run("four", HF_HUB_OFFLINE="1").stderr


def test_a_part_may_be_in_another_dataset_of_the_hub_whose_commit_is_recorded_too(folder, tmp_path, monkeypatch):
    scripts = Path(__file__).resolve().parents[2] / "workflow_scripts"
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.move(folder / "test.jsonl", alone / "test.jsonl")
    (alone / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: test.jsonl\n---\n")
    judged = {**SOURCE["judgements"]["test"], "hub": "org/judged", "config": None, "split": "train"}
    source = {"type": "hugging_face", "path": str(folder), **SOURCE, "judgements": {"test": judged}}
    options = canonical(check(Dataset, {"source": source}, "here.yaml").source)
    with FakeHub("org/judged", alone, kind="datasets").running() as hub:
        home = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(scripts)}
        command = [sys.executable, "-c", EXPORT, options, str(tmp_path / "one")]
        environment = {**os.environ, **home, "HF_ENDPOINT": hub.url}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all_of(tmp_path / "one") == EXPECTED
    facts = read_manifest(tmp_path / "one" / "manifest.json")["facts"]
    assert facts["other_revisions"] == {"org/judged": "a" * 40}
    assert json.loads((tmp_path / "revisions.json").read_text()) == {"org/judged": {"commit": "a" * 40}}


def test_each_revision_of_a_dataset_has_a_commit_of_its_own(tmp_path, monkeypatch):
    import datasets
    from huggingface_hub import HfApi

    commits = {None: "a" * 40, "old": "b" * 40, "older": "c" * 40}
    asked = []

    def load_dataset(hub, config, split, revision):
        return datasets.Dataset.from_list([{"id": f"d-{revision[0]}", "text": hub}])

    def dataset_info(self, hub, revision):
        asked.append(revision)
        return SimpleNamespace(sha=commits[revision])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(HfApi, "dataset_info", dataset_info)
    rows = {"split": "train", "id": "id", "text": ["text"]}
    parts = [rows, rows | {"hub": "o/d", "revision": "old"}, rows | {"hub": "o/d", "revision": "older"}]
    source = {"type": "hugging_face", "hub": "o/d", "documents": parts, "queries": [], "judgements": {}, "pairs": {}}
    for out in (tmp_path / "first", tmp_path / "second"):
        manifest = export(source, out, revisions=tmp_path / "revisions.json")
        assert [document.id for document in read_corpus(out / "corpus.jsonl")] == ["d-a", "d-b", "d-c"]
        assert manifest["facts"]["revision"] == "a" * 40
        assert manifest["facts"]["other_revisions"] == {"o/d@old": "b" * 40, "o/d@older": "c" * 40}
    assert asked == [None, "old", "older"]


def test_other_files_in_a_folder_make_the_collection_anew_and_a_missing_one_is_refused_early(folder, tmp_path):
    config = tmp_path / "config"
    values = {
        "datasets/fruit": {"source": {"type": "hugging_face", "path": str(folder), **SOURCE}},
        "experiments/fruit": {"evaluate_on": [{"dataset": "fruit"}], "systems": {"before": {"bm25": {}}}},
    }
    for name, value in values.items():
        (config / name).parent.mkdir(parents=True)
        (config / f"{name}.yaml").write_text(yaml.safe_dump(value))
    workflow = {"experiments": ["fruit"], "results": str(tmp_path / "results")}

    def options():
        return Graph(Registry(workflow, config), Path(__file__).resolve().parents[2]).dataset_options("fruit")

    before = options()
    assert options() == before
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "title": "", "text": "blue"}')
    assert options() != before
    shutil.rmtree(folder)
    with pytest.raises(DenseflowError, match=r"fruit\.yaml: key 'source\.path': .* does not exist"):
        options()


def test_a_measure_of_answers_needs_their_column(tmp_path):
    def dataset(**columns):
        pairs = {"test": {"split": "test", "query": "q", "passage": "p", **columns}}
        return check(Dataset, {"source": {"type": "hugging_face", "hub": "a/b", "pairs": pairs}}, "d.yaml")

    values = {"evaluate_on": [{"dataset": "d"}], "systems": {"before": {"bm25": {}}}, "measures": ["Answer@20"]}
    experiment = check(Experiment, values, "e.yaml")
    check_answers(experiment, {"d": dataset(answers="a")}, Path("e.yaml"))
    with pytest.raises(DenseflowError, match=r"queries of d have none.*name the column"):
        check_answers(experiment, {"d": dataset()}, Path("e.yaml"))
