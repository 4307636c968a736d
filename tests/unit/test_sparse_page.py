"""What docs/sparse.md shows as a file is a configuration that works, and what it says is so."""

import pytest
from docs_page import PROJECT, lay_out, read_page, shown_files

from denseflow.config.kinds import LOSSES
from denseflow.config.recipe import Flops
from denseflow.config.registry import Registry
from denseflow.encode.corpus_shards import SHARD_SIZE
from denseflow.search.sparse import BLOCK_ROWS
from denseflow.sparse_vectors import ENTRY
from denseflow.workflow.graph import Graph

PAGE = read_page("sparse")
FILES = shown_files(PAGE)


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Graph:
    folder = lay_out(tmp_path_factory.mktemp("page") / "config", FILES)
    return Graph(Registry({"experiments": ["sparse-and-dense"], "results": "results"}, folder), PROJECT)


def test_each_file_of_the_page_is_reached_and_accepted(graph):
    assert len(FILES) == PAGE.count("```yaml")
    reached = {f"models/{name}.yaml" for name in graph.registry.models}
    assert FILES.keys() <= reached | {"experiments/sparse-and-dense.yaml"}
    assert graph.registry.models["sparse-trained"].kind == "sparse_encoder"


def test_the_page_names_the_losses_and_the_options_of_flops():
    assert all(f"`{name}`" in PAGE for name in LOSSES["sparse_encoder"])
    assert all(f"{name}" in PAGE for name in Flops.model_fields)


def test_sizes_are_those_of_the_code():
    assert f"blocks of {BLOCK_ROWS:,}" in PAGE
    assert f"shards of {SHARD_SIZE:,} passages" in PAGE
    assert f"line of {ENTRY.itemsize} bytes" in PAGE
