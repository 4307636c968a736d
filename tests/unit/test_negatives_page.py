"""What docs/negatives.md shows as a file is a configuration that works."""

import pytest
import yaml
from docs_page import PROJECT, lay_out, read_page, shown_files

from denseflow.config.registry import Registry
from denseflow.workflow.graph import Graph
from denseflow.workflow.mining import Mining

PAGE = read_page("negatives")
FILES = shown_files(PAGE)


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Graph:
    """The project's configuration with the page's files, and an experiment of its encoders."""
    folder = tmp_path_factory.mktemp("page") / "config"
    lay_out(folder, FILES)
    encoders = ("negatives-round2", "negatives-student", "negatives-unsupervised")
    systems = {name: {"model": name} for name in ("minilm-l6", *encoders)}
    experiment = {"evaluate_on": [{"dataset": "nfcorpus"}], "systems": systems, "before": "minilm-l6"}
    (folder / "experiments" / "page.yaml").write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return Graph(Registry({"experiments": ["page"], "results": "results"}, folder), PROJECT)


def test_each_file_of_the_page_is_reached_and_accepted(graph):
    assert len(FILES) == PAGE.count("```yaml")
    reached = {f"models/{name}.yaml" for name in graph.registry.models}
    reached |= {f"negatives/{name}.yaml" for name in graph.registry.negatives}
    assert FILES.keys() <= reached


def test_the_folders_that_the_page_names_are_those_of_the_results(graph):
    data = {name: model.trained.data for name, model in graph.registry.models.items() if model.trained}
    second = Mining.of(graph, data["negatives-round2"], "seed1").manifest.parent
    assert str(second) == "results/negatives/nfcorpus.train/negatives-by-round1@seed1"
    assert "`results/negatives/DATASET.SPLIT/NAME@seedN/`" in PAGE
    scores = Mining.of(graph, data["negatives-student"], "seed1").scores("negatives-teacher", "seed1").parent
    assert str(scores) == "results/negatives/nfcorpus.train/negatives-mixed/scores/negatives-teacher.seed1"
    assert "`results/negatives/DATASET.SPLIT/NAME/scores/TEACHER.VARIANT/scores.jsonl`" in PAGE
