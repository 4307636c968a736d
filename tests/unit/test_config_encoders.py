"""What configuration says of encoders: checks before anything is computed, and what a pretrained model depends on."""

import re
from pathlib import Path

import pytest
import yaml

from denseflow.config.load import check
from denseflow.config.model import Model
from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError
from denseflow.workflow.graph import Graph

PROJECT = Path(__file__).resolve().parents[2]
SNIPPETS = re.findall(r"```yaml\n(.*?)```", (PROJECT / "docs" / "encoders.md").read_text(encoding="utf-8"), re.DOTALL)


class Configuration:
    """A configuration with a model ``base``, of two sources, and one that is trained from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("queries", "passages"):
            (folder / name).mkdir()
            (folder / name / "config.json").write_text(name, encoding="utf-8")
        (folder / "train.jsonl").write_text("", encoding="utf-8")
        self.base = {
            "pretrained": {"path": str(folder / "queries"), "passage": {"path": str(folder / "passages")}},
        }
        self.recipe = {"encoders": "separate"}

    def graph(self) -> Graph:
        trained = {"base": "base", "data": {"file": str(self.folder / "train.jsonl")}, "recipe": self.recipe}
        files = {
            "datasets/d": {"source": {"type": "beir", "path": str(self.folder), "splits": ["test"]}},
            "models/base": self.base,
            "models/tuned": {"trained": trained},
            "experiments/e": {"evaluate_on": [{"dataset": "d"}], "systems": {"before": {"model": "tuned"}}},
        }
        for name, value in files.items():
            path = self.folder / "config" / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(value), encoding="utf-8")
        return Graph(Registry({"experiments": ["e"], "results": str(self.folder)}, self.folder / "config"), PROJECT)


@pytest.fixture
def configuration(tmp_path):
    return Configuration(tmp_path)


def test_a_pretrained_model_depends_on_the_content_of_both_sources(configuration):
    before = configuration.graph().pretrained_options("base")
    assert configuration.graph().pretrained_options("base") == before
    for name in ("queries", "passages"):
        (configuration.folder / name / "config.json").write_text("changed", encoding="utf-8")
        after = configuration.graph().pretrained_options("base")
        assert after != before
        before = after


def test_a_missing_folder_of_the_passages_encoder_is_named(configuration):
    configuration.base["pretrained"]["passage"]["path"] = "/nowhere"
    with pytest.raises(DenseflowError, match=r"base\.yaml: key 'pretrained\.passage\.path': '/nowhere' does not exist"):
        configuration.graph()


def test_a_pretrained_model_depends_on_the_content_of_its_adapter(configuration):
    adapter = configuration.folder / "adapter"
    configuration.base["pretrained"]["adapter"] = {"path": str(adapter)}
    with pytest.raises(DenseflowError, match=r"key 'pretrained\.adapter\.path': .* does not exist"):
        configuration.graph()
    seen = []
    for content in ("one", "two"):
        adapter.mkdir(exist_ok=True)
        (adapter / "adapter_config.json").write_text(content, encoding="utf-8")
        seen.append(configuration.graph().pretrained_options("base"))
    assert seen[0] != seen[1]


def test_the_package_of_the_passages_encoder_must_be_installed(configuration):
    configuration.base["pretrained"]["passage"] = {"package": "no-such-distribution"}
    with pytest.raises(DenseflowError, match=r"key 'pretrained\.passage\.package': 'no-such-distribution' is not inst"):
        configuration.graph().pretrained_options("base")


@pytest.mark.parametrize("recipe", [{}, {"encoders": "shared"}])
def test_a_shared_encoder_from_a_base_with_two_is_refused_before_anything_is_computed(configuration, recipe):
    configuration.recipe = recipe
    with pytest.raises(DenseflowError, match=r"tuned\.yaml: key 'trained\.base': .* set `encoders: separate` or"):
        configuration.graph()


def test_a_projection_of_frozen_passages_is_refused_before_anything_is_computed(configuration):
    configuration.recipe = {"encoders": "query_only", "projection": 64}
    with pytest.raises(DenseflowError, match="`projection` is 64, but with `encoders: query_only`"):
        configuration.graph()


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_the_examples_of_the_page_on_encoders_are_models_of_the_schema(snippet):
    check(Model, yaml.safe_load(snippet), "docs/encoders.md")


def test_the_page_on_encoders_has_examples_of_all_its_subjects():
    text = "".join(SNIPPETS)
    for option in (
        "encoders",
        "projection",
        "passage",
        "pooling",
        "query_prefix",
        "add_bos",
        "add_eos",
        "padding_side",
        "pad_token",
        "adapter",
    ):
        assert f"{option}:" in text
