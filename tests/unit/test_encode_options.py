"""The options of the encode stage, and the switches that change nothing beyond floating point."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from denseflow.config.registry import Registry
from denseflow.encode.encode import encode_corpus, encode_queries
from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl
from denseflow.manifest import write_manifest
from denseflow.search.vectors import read_vectors
from denseflow.train.pretrained import prepare
from denseflow.workflow.graph import Graph

TEXTS = ["what is milk", "cancer and risk of the heart", "fruit with fish and meat for women and men", "fish"]


@pytest.fixture(scope="module")
def inputs(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The manifests of the tiny model and of a collection of four passages, which are its queries too."""
    folder = tmp_path_factory.mktemp("inputs")
    prepare({"path": str(tiny_model)}, {"normalize": False}, folder / "model", folder / "revisions.json")
    data = folder / "data"
    data.mkdir()
    write_jsonl(data / "corpus.jsonl", ({"_id": f"d{n}", "text": text} for n, text in enumerate(TEXTS)))
    write_jsonl(data / "queries.test.jsonl", ({"_id": f"q{n}", "text": text} for n, text in enumerate(TEXTS)))
    write_manifest(data, "dataset", ["corpus.jsonl", "queries.test.jsonl"])
    return folder / "model" / "manifest.json", data / "manifest.json"


def encode(inputs: tuple[Path, Path], folder: Path, **how) -> tuple[dict, np.ndarray]:
    """The manifest and the vectors of the passages."""
    manifest = encode_corpus(*inputs, folder, granted_gpus=0, threads=1, **how)
    return manifest, np.load(folder / "corpus" / "00000.npy")


@pytest.fixture(scope="module")
def plain(inputs, tmp_path_factory) -> np.ndarray:
    """The vectors in fp32."""
    manifest, vectors = encode(inputs, tmp_path_factory.mktemp("plain"))
    assert (manifest["precision"], manifest["storage"]) == ("fp32", "float32")
    return vectors


# Options


def test_bf16_gives_float32_vectors_that_are_near_and_says_so(inputs, plain, tmp_path):
    manifest, vectors = encode(inputs, tmp_path, options={"precision": "bf16"})
    assert (manifest["precision"], vectors.dtype) == ("bf16", np.float32)
    assert 1e-4 < np.abs(vectors - plain).max() < 0.05 * np.abs(plain).max()
    queries = encode_queries(*inputs, tmp_path, split="test", options={"precision": "bf16"}, granted_gpus=0, threads=1)
    assert queries["precision"] == "bf16"
    np.testing.assert_allclose(np.load(tmp_path / "queries.test.npy"), vectors, atol=0.05)


def test_fp16_on_a_cpu_is_fp32_with_a_word_and_the_manifest_says_so(inputs, plain, tmp_path, caplog):
    manifest, vectors = encode(inputs, tmp_path, options={"precision": "fp16"})
    assert manifest["precision"] == "fp32"
    assert "encode.precision is fp16, which needs a GPU" in caplog.text
    assert (vectors == plain).all()


def test_float16_takes_half_the_space_and_is_read_as_float32(inputs, plain, tmp_path):
    manifest, vectors = encode(inputs, tmp_path, options={"storage": "float16"})
    assert (manifest["storage"], vectors.dtype) == ("float16", np.float16)
    assert (vectors == plain.astype(np.float16)).all()
    read = read_vectors(tmp_path / "corpus.manifest.json").whole()
    assert read.dtype == np.float32
    assert (read == vectors).all()


def test_a_value_beyond_float16_is_an_error_that_names_the_text(inputs, tmp_path, monkeypatch):
    large = np.ones((4, 32), dtype=np.float32)
    large[2, 5] = -70_000
    monkeypatch.setattr("denseflow.encode.encode.encode_rows", lambda *arguments, **options: large)
    with pytest.raises(DenseflowError, match=r"the vector of 'd2' has a value beyond 65504, .* set it to float32"):
        encode(inputs, tmp_path, options={"storage": "float16"})
    assert not list(tmp_path.rglob("*.npy"))


def test_infinity_in_fp16_is_an_error_that_names_the_precision(inputs, tmp_path, monkeypatch):
    broken = np.full((4, 32), np.inf, dtype=np.float32)
    monkeypatch.setattr("denseflow.encode.encode.encode_rows", lambda *arguments, **options: broken)
    with pytest.raises(DenseflowError, match=r"encode\.precision is fp16, whose range"):
        encode(inputs, tmp_path, options={"precision": "fp16"})


# Switches


def test_the_attention_s_implementation_changes_floating_point_alone(inputs, plain, tmp_path):
    _, vectors = encode(inputs, tmp_path, attention="eager")
    np.testing.assert_allclose(vectors, plain, atol=1e-5)


def test_torch_compile_is_used_and_changes_floating_point_alone(inputs, plain, tmp_path, monkeypatch):
    compiled = []

    def backend(graph, examples):
        compiled.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    _, vectors = encode(inputs, tmp_path, compiled=True)
    assert compiled
    np.testing.assert_allclose(vectors, plain, atol=1e-5)


def test_flash_attention_on_a_cpu_is_an_error_before_anything_is_written(inputs, tmp_path):
    with pytest.raises(DenseflowError, match="flash_attention_2 needs a CUDA GPU"):
        encode(inputs, tmp_path, attention="flash_attention_2", options={"precision": "bf16"})
    assert not list(tmp_path.iterdir())


# Configuration


@pytest.fixture
def configured(tmp_path):
    """The registry of one model, with more keys in its file."""

    def read(**model) -> Registry:
        files = {
            "datasets/d": {"source": {"type": "beir", "path": "", "splits": ["test"]}, "run": {"encode_jobs": 2}},
            "models/m": {"pretrained": {"path": ""}, **model},
            "experiments/e": {"evaluate_on": [{"dataset": "d"}], "systems": {"before": {"model": "m"}}},
        }
        for name, value in files.items():
            file = tmp_path / f"{name}.yaml"
            file.parent.mkdir(exist_ok=True)
            file.write_text(yaml.safe_dump(value).replace("path: ''", f"path: {tmp_path}"), encoding="utf-8")
        return Registry({"experiments": ["e"]}, tmp_path)

    return read


def test_flash_attention_in_fp32_is_refused_in_the_configuration(configured):
    with pytest.raises(DenseflowError, match=r"`run.attention` is flash_attention_2, .* `encode.precision` is fp32"):
        configured(run={"attention": "flash_attention_2"})
    configured(run={"attention": "flash_attention_2"}, encode={"precision": "bf16"})


def test_options_of_the_encoding_reach_its_rules_and_neutral_ones_are_left_out(configured):
    graph = Graph(configured(), Path())
    assert (graph.encode_options("m"), graph.encode_options("m", queries=True)) == ("{}", "{}")
    graph = Graph(configured(encode={"precision": "bf16", "storage": "float16"}), Path())
    assert graph.encode_options("m") == '{"precision":"bf16","storage":"float16"}'
    assert graph.encode_options("m", queries=True) == '{"precision":"bf16"}'


def test_so_many_jobs_as_are_asked_for_share_an_encoding(configured):
    shares = Graph(configured(), Path()).encode_shares("d", "m", "pretrained")
    assert [path.name for path in shares] == ["0-of-2.done", "1-of-2.done"]
