"""The recipes of docs/losses.md are a configuration that works."""

from typing import get_args

import pytest
import yaml
from docs_page import lay_out, read_page, shown_files

from denseflow.config import losses as sections
from denseflow.config.registry import Registry

PAGE = read_page("losses")
FILES = shown_files(PAGE)


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Registry:
    """The project's configuration with the page's files, and an experiment of all their models."""
    folder = tmp_path_factory.mktemp("page") / "config"
    lay_out(folder, FILES)
    systems = {"before": {"model": "minilm-l6"}}
    for name, text in FILES.items():
        kind, stem = name.removesuffix(".yaml").split("/")
        if kind == "models":
            reranks = yaml.safe_load(text).get("kind") == "cross_encoder"
            systems[stem] = {"rerank": {"system": "before", "model": stem}} if reranks else {"model": stem}
    experiment = {"evaluate_on": [{"dataset": "nfcorpus"}], "systems": systems}
    (folder / "experiments" / "page.yaml").write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return Registry({"experiments": ["page"]}, folder)


def test_each_block_of_yaml_is_a_file_of_the_configuration():
    assert len(FILES) == PAGE.count("```yaml")


def test_each_recipe_of_the_page_is_accepted_and_together_they_have_every_loss(registry):
    trained = [model.trained for name, model in registry.models.items() if name.startswith("losses-") and model.trained]
    losses = {get_args(part.model_fields["name"].annotation)[0] for part in get_args(get_args(sections.AnyLoss)[0])}
    assert {model.recipe.loss.name for model in trained} == losses
    assert any(model.recipe.matryoshka for model in trained)


def test_the_decision_tree_names_every_loss():
    tree = PAGE.split("```")[1]
    for part in get_args(get_args(sections.AnyLoss)[0]):
        assert get_args(part.model_fields["name"].annotation)[0] in tree


def test_each_way_says_when_not_to_take_it():
    ways = [section for section in PAGE.split("\n## ")[1:] if "```yaml" in section]
    assert len(ways) >= 10
    assert all("**Not**" in section for section in ways)
