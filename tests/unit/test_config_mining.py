"""Models that are mined with or learned from: what the registry refuses, and which files the graph makes of them."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError
from denseflow.workflow.graph import Graph
from denseflow.workflow.mining import Mining

FILES = {
    "datasets/d": {"source": {"type": "beir", "path": "beir", "splits": ["train", "test"]}},
    "negatives/bm25": {"sources": [{"type": "bm25", "count": 4}]},
    "negatives/base": {"sources": [{"type": "dense", "model": "base", "count": 2, "margin": 0.1}]},
    "negatives/mixed": {
        "sources": [
            {"type": "random", "count": 2},
            {"type": "bm25", "count": 4},
            {"type": "dense", "model": "round1", "count": 2, "last_rank": 50},
        ]
    },
    "negatives/passages": {"queries": "passages", "max_queries": 10},
    "models/base": {"pretrained": {"path": "model"}},
    "models/cross": {"kind": "cross_encoder", "pretrained": {"path": "model"}},
    "models/round1": {"trained": {"base": "base", "data": {"dataset": "d", "negatives": "bm25"}}},
    "models/round2": {"trained": {"base": "round1", "data": {"dataset": "d", "negatives": "mixed"}}},
    "models/student": {
        "trained": {
            "base": "base",
            "data": {"dataset": "d", "negatives": "base", "teacher": "round1"},
            "recipe": {"loss": {"name": "kl"}},
        }
    },
    "experiments/e": {
        "evaluate_on": [{"dataset": "d"}],
        "systems": {"before": {"model": "base"}, "after": {"model": "round2"}, "student": {"model": "student"}},
        "seeds": [0, 1],
    },
}


class Configuration:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("beir", "model"):
            (folder / name).mkdir()
        for name, value in FILES.items():
            self.write(name, value)

    def write(self, name: str, value: dict) -> None:
        path = self.folder / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(value).replace("path: ", f"path: {self.folder}/")
        path.write_text(text, encoding="utf-8")

    def change(self, name: str, **changes) -> None:
        """Change the data or the recipe of a trained model."""
        trained = {"recipe": {}, **copy.deepcopy(FILES[name]["trained"])}
        for key, value in changes.items():
            part = trained["data"] if key in ("negatives", "teacher", "split", "file", "dataset") else trained["recipe"]
            part.pop(key, None) if value is None else part.update({key: value})
        self.write(name, {"trained": trained})

    def registry(self) -> Registry:
        return Registry({"experiments": ["e"], "results": "results"}, self.folder / "config")

    def message(self) -> str:
        with pytest.raises(DenseflowError) as error:
            self.registry()
        return str(error.value)

    def graph(self) -> Graph:
        return Graph(self.registry(), Path(__file__).resolve().parents[2])


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration(tmp_path)


def test_models_that_are_mined_with_and_teachers_are_read_and_checked(configuration):
    assert set(configuration.registry().models) == {"base", "round1", "round2", "student"}
    configuration.write("negatives/mixed", {"sources": [{"type": "dense", "model": "rounds", "count": 1}]})
    assert "negatives/mixed.yaml: key 'sources[0].model': 'rounds', but there is no file" in configuration.message()


def test_a_model_that_is_mined_with_itself_is_refused_with_the_cycle(configuration):
    configuration.write("negatives/mixed", {"sources": [{"type": "dense", "model": "round2", "count": 1}]})
    text = configuration.message()
    assert "negatives/mixed.yaml: key 'sources[0].model': the models form a cycle: round2 -> round2" in text


def test_a_cycle_through_negatives_base_and_teacher_is_refused_with_its_members(configuration):
    configuration.write("negatives/bm25", {"sources": [{"type": "dense", "model": "round2", "count": 1}]})
    assert "the models form a cycle: round2 -> round1 -> round2" in configuration.message()
    configuration.write("negatives/bm25", FILES["negatives/bm25"])
    configuration.change("models/round1", teacher="student", loss={"name": "margin_mse"})
    assert "the models form a cycle: round1 -> student -> round1" in configuration.message()


def test_a_cross_encoder_cannot_mine_but_teach(configuration):
    configuration.change("models/student", teacher="cross")
    assert configuration.registry().cross_encoder("cross")
    configuration.write("negatives/mixed", {"sources": [{"type": "dense", "model": "cross", "count": 1}]})
    assert "'cross' is a cross-encoder, which cannot search a collection; name an encoder" in configuration.message()


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (
            "student",
            {"teacher": None},
            "`recipe.loss.name` is 'kl', which learns from a teacher's scores; name a model",
        ),
        (
            "student",
            {"teacher": None, "negatives": None, "dataset": None, "file": "x.jsonl"},
            "with `data.dataset` and `data.negatives` instead of `data.file`",
        ),
        ("student", {"loss": {"name": "infonce"}}, "`data.teacher` is 'round1', but `recipe.loss.name` is 'infonce'"),
        ("student", {"negatives_per_query": 0}, "`recipe.negatives_per_query` is 0"),
        ("student", {"negatives": "passages"}, "has no `sources`, so that there is nothing for it to tell apart"),
        ("round1", {"loss": {"name": "simcse"}}, "key 'trained.data.negatives': 'bm25', but the loss is 'simcse'"),
        ("round1", {"negatives": "passages", "split": "train"}, "key 'trained.data.split': 'train', but"),
    ],
)
def test_options_that_would_be_ignored_or_lack_their_counterpart_are_refused(configuration, model, changes, message):
    configuration.change(f"models/{model}", **changes)
    assert message in configuration.message()


def test_a_cross_encoder_needs_hard_negatives(configuration):
    recipe = {"loss": {"name": "lce"}}
    trained = {"base": "base", "data": {"dataset": "d", "negatives": "passages"}, "recipe": recipe}
    configuration.write("models/cross", {"kind": "cross_encoder", "trained": trained})
    configuration.change("models/student", teacher="cross")
    assert (
        "'passages', which has no `sources`, but the loss 'lce' learns from hard negatives" in configuration.message()
    )


@pytest.mark.parametrize(
    "option", [{"sources": [{"type": "random", "count": 1}]}, {"min_level": 2}, {"max_positives": 3}]
)
def test_passages_as_queries_take_no_option_of_judged_queries(configuration, option):
    configuration.change("models/round1", negatives="passages", loss={"name": "simcse"})
    configuration.registry()
    configuration.write("negatives/passages", {"queries": "passages", **option})
    assert f"`{next(iter(option))}` is given" in configuration.message()


def test_negatives_of_a_trained_model_are_made_for_each_seed_and_others_once(configuration):
    graph = configuration.graph()
    data = {name: graph.registry.models[name].trained.data for name in ("round1", "round2", "student")}
    folders = {name: Mining.of(graph, own, "seed1").manifest.parent.name for name, own in data.items()}
    assert folders == {"round1": "bm25", "round2": "mixed@seed1", "student": "base"}
    mining = graph.mining("d", "train", "mixed@seed1")
    assert {place: str(run) for place, run in mining.runs().items()} == {
        "1": "results/bm25/d/en_0.9_0.4/train.top100.trec",
        "2": "results/search/d/round1/seed1/train.top50.trec",
    }
    assert [str(path) for path in mining.vectors()["2"]] == [
        "results/encode/d/round1/seed1/queries.train.manifest.json",
        "results/encode/d/round1/seed1/corpus.manifest.json",
    ]
    assert "@" not in json.dumps(json.loads(mining.options())["negatives"])


def test_options_of_negatives_without_a_model_are_those_of_before(configuration):
    options = json.loads(configuration.graph().mining("d", "train", "bm25").options())
    assert options == {
        "negatives": {
            "seed": 0,
            "min_level": 1,
            "sources": [
                {"type": "bm25", "count": 4, "first_rank": 1, "last_rank": 100, "k1": 0.9, "b": 0.4},
            ],
        },
        "split": "train",
        "runs": {"0": "results/bm25/d/en_0.9_0.4/train.top100.trec"},
    }


def test_a_trained_teacher_has_the_seed_of_its_student_and_a_pretrained_one_none(configuration):
    graph = configuration.graph()
    assert str(graph.training_inputs("student", "seed1")["teacher"]) == (
        "results/negatives/d.train/base/scores/round1.seed1/manifest.json"
    )
    assert {
        name: str(path) for name, path in graph.mining("d", "train", "base").teacher_inputs("round1", "seed1").items()
    } == {
        "negatives": "results/negatives/d.train/base/manifest.json",
        "queries": "results/encode/d/round1/seed1/queries.train.manifest.json",
        "corpus": "results/encode/d/round1/seed1/corpus.manifest.json",
    }
    configuration.change("models/student", teacher="cross")
    graph = configuration.graph()
    assert str(graph.training_inputs("student", "seed1")["teacher"]) == (
        "results/negatives/d.train/base/scores/cross.pretrained/manifest.json"
    )
    inputs = graph.mining("d", "train", "base").teacher_inputs("cross", "pretrained")
    assert str(inputs["model"]) == "results/train/cross/pretrained/manifest.json"


def test_passages_as_queries_need_no_split(configuration):
    configuration.change("models/round1", negatives="passages", loss={"name": "mixcse"})
    configuration.write("datasets/d", {"source": {"type": "beir", "path": "beir", "splits": ["test"]}})
    configuration.write("experiments/e", {**FILES["experiments/e"], "systems": {"before": {"model": "round1"}}})
    graph = configuration.graph()
    assert str(graph.training_file("round1", "seed0")) == "results/negatives/d.passages/passages/train.jsonl"
