"""What docs/cross-encoders.md shows as a file is a configuration that works."""

import pytest
from docs_page import PROJECT, lay_out, read_page, shown_files

from denseflow.config.kinds import PAIR_LOSSES
from denseflow.config.registry import Registry
from denseflow.cross_encoder import PairContract
from denseflow.workflow.graph import Graph

PAGE = read_page("cross-encoders")
FILES = shown_files(PAGE)


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Graph:
    """The project's configuration with the page's files, and the page's experiment with the ready model in it too."""
    folder = tmp_path_factory.mktemp("page") / "config"
    more = "  ready: {rerank: {system: dense, model: cross-ready}}\n"
    lay_out(folder, {name: text + (more if name.startswith("experiments/") else "") for name, text in FILES.items()})
    return Graph(Registry({"experiments": ["cross-reranking"], "results": "results"}, folder), PROJECT)


def test_each_file_of_the_page_is_reached_and_accepted(graph):
    assert len(FILES) == PAGE.count("```yaml")
    reached = {f"models/{name}.yaml" for name in graph.registry.models}
    reached |= {f"negatives/{name}.yaml" for name in graph.registry.negatives}
    assert FILES.keys() <= reached | {"experiments/cross-reranking.yaml"}


def test_the_page_names_each_loss_and_each_key_of_the_contract():
    assert all(f"`{name}`" in PAGE for name in (*PAIR_LOSSES, *PairContract.__dataclass_fields__))


def test_runs_are_where_the_page_says(graph):
    runs = [str(ranked.run) for ranked in graph.ranked_systems("cross-reranking") if "reranked" in ranked.system]
    assert runs
    assert all(run.startswith("results/search/nfcorpus/cross-trained/seed0/rerank50/") for run in runs)
    assert "`results/search/DATASET/CROSS-ENCODER/VARIANT/rerankDEPTH/`" in PAGE
