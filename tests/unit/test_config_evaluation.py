"""The split that a training is scored on, and kept models: what the registry refuses, and what the graph asks for."""

import copy
import re
import shutil
from pathlib import Path

import pytest
import yaml

from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError
from denseflow.workflow.checkpoints import checkpoint_tables
from denseflow.workflow.fingerprint import reached_modules
from denseflow.workflow.graph import DEV_EVALUATION, Graph

PROJECT = Path(__file__).resolve().parents[2]
TRAIN = PROJECT / "workflow_scripts" / "train.py"
PAGE = (PROJECT / "docs" / "training.md").read_text(encoding="utf-8")
MODELS = re.findall(r"```yaml\n(trained:.*?)```", PAGE, re.DOTALL)
DATA = {"dataset": "d", "negatives": "n"}
FILES = {
    "datasets/d": {"source": {"type": "beir", "path": "PATH", "splits": ["train", "dev", "test"]}},
    "datasets/other": {"source": {"type": "beir", "path": "PATH", "splits": ["train", "validation"]}},
    "negatives/n": {"sources": [{"type": "random", "count": 2}]},
    "negatives/passages": {"queries": "passages"},
    "models/base": {"pretrained": {"path": "PATH"}},
    "models/tuned": {"trained": {"base": "base", "data": DATA, "recipe": {}}},
    "models/next": {"trained": {"base": "tuned", "data": DATA, "recipe": {}}},
    "experiments/e": {
        "evaluate_on": [{"dataset": "d"}, {"dataset": "other", "split": "validation"}],
        "systems": {"before": {"model": "base"}, "after": {"model": "next"}},
        "seeds": [0, 1],
    },
}


class Configuration:
    """A right configuration, and changes of the model ``tuned``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, copy.deepcopy(FILES)
        self.trained = self.files["models/tuned"]["trained"]

    def graph(self) -> Graph:
        for name, value in self.files.items():
            path = self.folder / "config" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(value).replace("PATH", str(self.folder)), encoding="utf-8")
        return Graph(Registry({"experiments": ["e"]}, self.folder / "config"), PROJECT)

    def error(self) -> str:
        with pytest.raises(DenseflowError) as error:
            self.graph()
        return str(error.value)


@pytest.fixture
def configuration(tmp_path):
    return Configuration(tmp_path)


@pytest.mark.parametrize(
    ("evaluate", "said"),
    [
        ({"split": "valid"}, "key 'trained.recipe.evaluate': split 'valid' does not exist in "),
        ({"dataset": "nowhere"}, "key 'trained.recipe.evaluate': 'nowhere', but there is no file "),
        ({"split": "test"}, "'trained.recipe.evaluate.split': 'test'; weights chosen on the test split"),
        ({"split": "train"}, "'trained.recipe.evaluate.split': 'train', the split that the model is trained on"),
        ({"dataset": "other"}, "split 'dev' does not exist in "),
        ({"measure": "nDCG@ten"}, "nDCG@ten"),
        ({"every_steps": 2, "every_epochs": 1.0}, "either `every_epochs` or `every_steps`"),
    ],
)
def test_a_split_that_is_missing_or_not_for_choosing_is_refused(configuration, evaluate, said):
    configuration.trained["recipe"]["evaluate"] = evaluate
    assert said in configuration.error()


def test_other_datasets_and_splits_and_the_own_split_of_passages_as_queries_are_fine(configuration):
    for evaluate in ({}, {"dataset": "other", "split": "train"}, {"dataset": "other", "split": "validation"}):
        configuration.trained["recipe"]["evaluate"] = evaluate
        configuration.graph()
    configuration.trained["data"] = {"dataset": "d", "negatives": "passages"}
    configuration.trained["recipe"] = {"loss": {"name": "simcse"}, "evaluate": {"split": "train"}}
    configuration.graph()


def test_with_a_training_file_the_dataset_must_be_named(configuration):
    file = configuration.folder / "train.jsonl"
    file.write_text("{}\n", encoding="utf-8")
    configuration.trained["data"] = {"file": str(file)}
    configuration.trained["recipe"]["evaluate"] = {}
    assert "'trained.recipe.evaluate.dataset' is missing" in configuration.error()
    configuration.trained["recipe"]["evaluate"] = {"dataset": "d"}
    configuration.graph()


def test_a_training_depends_on_the_dataset_it_is_scored_on_and_on_the_code_that_scores_only_then(configuration):
    plain = configuration.graph()
    configuration.trained["recipe"]["evaluate"] = {"dataset": "other", "split": "validation"}
    scored = configuration.graph()
    assert "evaluation" not in plain.training_inputs("tuned", "seed0")
    assert scored.training_inputs("tuned", "seed0")["evaluation"] == scored.dataset("other")
    assert scored.dataset("other") in set(scored.model_manifests("next", "seed0"))
    assert scored.train_code("tuned") != plain.train_code("tuned")
    assert scored.train_code("next") == plain.train_code("next")
    only_then = reached_modules(TRAIN).keys() - reached_modules(TRAIN, (DEV_EVALUATION,)).keys()
    assert {DEV_EVALUATION, "denseflow.evaluate.measures", "denseflow.search.flat"} < only_then


def test_checkpoints_are_those_of_all_models_on_the_way_on_all_splits_with_all_seeds(configuration):
    configuration.trained["recipe"]["keep_models"] = {"every_epochs": 1.0}
    found = {str(path) for path in checkpoint_tables(configuration.graph())}
    names = ("checkpoints.d.test.tsv", "checkpoints.other.validation.tsv")
    assert found == {f"results/train/tuned/seed{seed}/{name}" for seed in (0, 1) for name in names}


def test_checkpoints_of_models_that_keep_none_is_an_error_that_says_what_to_set(configuration):
    with pytest.raises(DenseflowError, match=r"no model of e keeps models along the way; set `trained\.recipe\.keep"):
        checkpoint_tables(configuration.graph())


def test_keeping_models_needs_one_interval(configuration):
    configuration.trained["recipe"]["keep_models"] = {}
    assert "give either `every_epochs` or `every_steps`" in configuration.error()


def test_the_models_of_the_page_on_training_are_accepted_and_keep_or_score_as_it_says(tmp_path):
    shutil.copytree(PROJECT / "config", tmp_path, dirs_exist_ok=True)
    names = [f"page{number}" for number in range(len(MODELS))]
    for name, text in zip(names, MODELS, strict=True):
        (tmp_path / "models" / f"{name}.yaml").write_text(text, encoding="utf-8")
    systems = {name: {"model": name} for name in ("minilm-l6", *names)}
    experiment = {"evaluate_on": [{"dataset": "nfcorpus"}], "systems": systems, "before": "minilm-l6"}
    (tmp_path / "experiments" / "page.yaml").write_text(yaml.safe_dump(experiment), encoding="utf-8")
    graph = Graph(Registry({"experiments": ["page"], "results": "results"}, tmp_path), PROJECT)
    assert any("evaluation" in graph.training_inputs(name, "seed0") for name in names)
    (kept,) = checkpoint_tables(graph)
    assert re.fullmatch(r"results/train/page\d/seed0/checkpoints\.nfcorpus\.test\.tsv", str(kept))
