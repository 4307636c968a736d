"""Files of collections in the configuration: what reruns a dataset, and what is refused before anything runs."""

import json
from pathlib import Path

import pytest
import yaml

from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError
from denseflow.workflow.graph import Graph

QUESTIONS = {"data": [{"title": "Rice", "paragraphs": [{"context": "Rice grows in water.", "qas": []}]}]}


def write(folder: Path, name: str, value: dict) -> None:
    path = folder / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(value), encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An experiment on a file of questions, with BM25 alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "questions.json").write_text(json.dumps(QUESTIONS))
    write(tmp_path, "datasets/d", dataset({"path": "questions.json"}))
    write(tmp_path, "experiments/e", {"evaluate_on": [{"dataset": "d"}], "systems": {"before": {"bm25": {}}}})
    return tmp_path


def dataset(file: dict, type_: str = "squad") -> dict:
    if type_ == "dpr":
        return {"source": {"type": "dpr", "splits": {"test": file, "train": file}}}
    splits = {"test": [{"file": "f", "articles": 1}], "train": [{"file": "f"}]}
    return {"source": {"type": "squad", "files": {"f": file}, "splits": splits}}


def options(folder: Path) -> str:
    return Graph(Registry({"experiments": ["e"]}, folder), folder).dataset_options("d")


def message(folder: Path) -> str:
    with pytest.raises(DenseflowError) as error:
        Registry({"experiments": ["e"]}, folder)
    return str(error.value)


def test_a_file_without_a_sum_makes_its_collection_anew_when_it_changes(folder):
    before = options(folder)
    assert options(folder) == before
    (folder / "questions.json").write_text(json.dumps(QUESTIONS | {"version": "2"}))
    assert options(folder) != before


def test_a_file_with_a_sum_is_what_its_sum_says(folder):
    write(folder, "datasets/d", dataset({"path": "questions.json", "sha256": "0" * 64}))
    before = options(folder)
    (folder / "questions.json").write_text(json.dumps(QUESTIONS | {"version": "2"}))
    assert options(folder) == before
    assert "content" not in before


def test_a_file_that_is_nowhere_is_refused_with_its_key(folder):
    write(folder, "datasets/d", dataset({"path": "nothing.json"}))
    assert "d.yaml: key 'source.files.f.path': 'nothing.json' does not exist" in message(folder)
    download = {"path": "nothing.json", "url": "https://example.org/questions.json", "sha256": "0" * 64}
    write(folder, "datasets/d", dataset(download))
    assert "example.org" in options(folder)
    write(folder, "datasets/d", dataset({"path": "nothing.json"}, "dpr"))
    assert "key 'source.splits.test.path'" in message(folder)


@pytest.mark.parametrize("type_", ["squad", "dpr"])
def test_questions_have_answers_to_look_for(folder, type_):
    write(folder, "datasets/d", dataset({"path": "questions.json"}, type_))
    values = {"evaluate_on": [{"dataset": "d"}], "systems": {"before": {"bm25": {}}}, "measures": ["Answer@20"]}
    write(folder, "experiments/e", values)
    assert list(Registry({"experiments": ["e"]}, folder).datasets) == ["d"]


def test_given_negatives_need_questions_that_come_with_some(folder):
    (folder / "model").mkdir()
    write(folder, "negatives/n", {"sources": [{"type": "given", "count": 1}]})
    write(folder, "models/base", {"pretrained": {"path": "model"}})
    data = {"dataset": "d", "negatives": "n"}
    write(folder, "models/tuned", {"trained": {"base": "base", "data": data, "recipe": {"learning_rate": 1.0e-5}}})
    systems = {"before": {"model": "base"}, "after": {"model": "tuned"}}
    write(folder, "experiments/e", {"evaluate_on": [{"dataset": "d"}], "systems": systems})
    assert "n.yaml: key 'sources[0].type': 'given', but the questions of 'd' come without negatives" in message(folder)
    write(folder, "datasets/d", dataset({"path": "questions.json"}, "dpr"))
    assert "tuned" in Registry({"experiments": ["e"]}, folder).models
    write(folder, "negatives/n", {"sources": [{"type": "given", "count": 3, "first": 2}]})
    assert "first 2 is below count 3" in message(folder)


def test_answers_to_leave_out_must_be_there(folder):
    (folder / "model").mkdir()
    (folder / "beir").mkdir()
    (folder / "beir" / "queries.jsonl").write_text('{"_id": "1", "text": "rice"}\n')
    write(folder, "negatives/n", {"sources": [{"type": "bm25", "count": 1, "without_answer": "dpr"}]})
    write(folder, "models/base", {"pretrained": {"path": "model"}})
    data = {"dataset": "d", "negatives": "n"}
    write(folder, "models/tuned", {"trained": {"base": "base", "data": data, "recipe": {"learning_rate": 1.0e-5}}})
    systems = {"before": {"model": "base"}, "after": {"model": "tuned"}}
    write(folder, "experiments/e", {"evaluate_on": [{"dataset": "d"}], "systems": systems})
    assert "tuned" in Registry({"experiments": ["e"]}, folder).models
    write(folder, "datasets/d", {"source": {"type": "beir", "path": "beir", "splits": ["train", "test"]}})
    assert "n.yaml: key 'sources[0].without_answer': given, but the queries of 'd' have no" in message(folder)
