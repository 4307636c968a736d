"""What docs/encoding.md shows as files is a configuration that works."""

from docs_page import PROJECT, lay_out, read_page, shown_files

from denseflow.config.registry import Registry
from denseflow.encode.batches import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS
from denseflow.encode.corpus_shards import SHARD_SIZE
from denseflow.workflow.graph import Graph

PAGE = read_page("encoding")
FILES = shown_files(PAGE)
EXPERIMENT = """
evaluate_on: [{dataset: nfcorpus-shared}]
systems: {before: {model: minilm-l6-bf16}}
"""


def test_the_files_of_the_page_are_accepted_and_do_what_it_says(tmp_path):
    lay_out(tmp_path / "config", {**FILES, "experiments/page.yaml": EXPERIMENT})
    graph = Graph(Registry({"experiments": ["page"]}, tmp_path / "config"), PROJECT)
    assert graph.encode_options("minilm-l6-bf16") == '{"precision":"bf16","storage":"float16"}'
    assert graph.model_run("minilm-l6-bf16").compile
    assert len(graph.encode_shares("nfcorpus-shared", "minilm-l6-bf16", "pretrained")) == 4


def test_the_numbers_of_the_page_are_those_of_the_code():
    for number in (SHARD_SIZE, CPU_BATCH_TOKENS, GPU_BATCH_TOKENS):
        assert f"{number:,}" in PAGE
