"""What goes with one kind of model alone is refused for the other; rerankings have their place in the graph."""

from pathlib import Path

import pytest
import yaml

from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError
from denseflow.workflow.graph import Graph

PROJECT = Path(__file__).resolve().parents[2]
DATA = {"dataset": "d", "negatives": "n"}
CROSS = {"base": "base", "data": DATA, "recipe": {"loss": {"name": "lce"}, "negatives_per_query": 4}}
FILES = {
    "datasets/d": {"source": {"type": "beir", "path": "", "splits": ["train", "test"]}},
    "negatives/n": {"sources": [{"type": "random", "count": 8}]},
    "models/base": {"pretrained": {"path": ""}},
    "models/tuned": {"trained": {"base": "base", "data": DATA}},
    "models/reranker": {"kind": "cross_encoder", "contract": {"pair_max_length": 64}, "trained": CROSS},
    "models/ready": {"kind": "cross_encoder", "pretrained": {"path": ""}},
    "experiments/e": {
        "evaluate_on": [{"dataset": "d"}],
        "depth": 100,
        "seeds": [0, 1],
        "systems": {
            "before": {"model": "base"},
            "bm25": {"bm25": {}},
            "after": {"model": "tuned"},
            "trained-reranks-bm25": {"rerank": {"system": "bm25", "model": "reranker", "depth": 20}},
            "trained-reranks-after": {"rerank": {"system": "after", "model": "reranker"}},
            "ready-reranks-after": {"rerank": {"system": "after", "model": "ready"}},
            "ready-reranks-before": {"rerank": {"system": "before", "model": "ready"}},
            "ready-reranks-reranked": {"rerank": {"system": "trained-reranks-bm25", "model": "ready", "depth": 10}},
        },
    },
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "there").mkdir()
    for name, value in FILES.items():
        write(tmp_path, name, value)
    return tmp_path


def write(folder, name, value):
    path = folder / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(value, sort_keys=False).replace("path: ''", f"path: {folder / 'there'}"))


def changed(name, *keys, value):
    """A file's content with another value at ``keys``, which are added where they are missing."""
    content = yaml.safe_load(yaml.safe_dump(FILES[name]))
    place = content
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    place[keys[-1]] = value
    return content


def registry(folder):
    return Registry({"experiments": ["e"], "results": "results"}, folder)


def message(folder):
    with pytest.raises(DenseflowError) as error:
        registry(folder)
    return str(error.value)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("contract", "pooling"), "cls"),
        (("contract", "normalize"), True),
        (("contract", "similarity"), "dot"),
        (("contract", "query_max_length"), 16),
        (("contract", "passage_max_length"), 16),
        (("contract", "add_bos"), True),
        (("contract", "add_eos"), False),
        (("contract", "padding_side"), "left"),
        (("trained", "recipe", "matryoshka"), {"dimensions": [8]}),
        (("trained", "recipe", "encoders"), "separate"),
        (("trained", "recipe", "projection"), 8),
        (("trained", "recipe", "queries_per_passage"), 2),
        (("trained", "recipe", "evaluate"), {"split": "test"}),
        (("trained", "recipe", "keep_models"), {"every_steps": 2}),
        (("trained", "recipe", "negatives_per_query"), 0),
        (("trained", "recipe", "loss"), {"name": "infonce"}),
        (("trained", "recipe", "loss"), {"name": "simcse"}),
        (("trained", "data", "teacher"), "base"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_what_means_nothing_for_a_cross_encoder_is_refused_by_its_key(folder, keys, value):
    write(folder, "models/reranker", changed("models/reranker", *keys, value=value))
    text = message(folder)
    assert "models/reranker.yaml" in text
    assert ".".join(keys[1:]) in text
    assert "leave it out" in text or "take one of lce, bce" in text or "set it to" in text


def test_two_sources_are_refused_for_a_cross_encoder(folder):
    write(folder, "models/ready", changed("models/ready", "pretrained", "passage", value={"path": ""}))
    assert "`pretrained.passage` is given" in message(folder)


@pytest.mark.parametrize("loss", ["lce", "bce"])
def test_a_loss_of_pairs_is_refused_for_an_encoder(folder, loss):
    write(folder, "models/tuned", changed("models/tuned", "trained", "recipe", value={"loss": {"name": loss}}))
    assert f"`trained.recipe.loss.name` is '{loss}', which an encoder cannot learn" in message(folder)


def test_a_length_of_pairs_is_refused_for_an_encoder(folder):
    write(folder, "models/tuned", changed("models/tuned", "contract", "pair_max_length", value=64))
    assert "`contract.pair_max_length` is 64, which means nothing for an encoder" in message(folder)


def test_an_encoder_cannot_start_from_a_cross_encoder(folder):
    write(folder, "models/tuned", changed("models/tuned", "trained", "base", value="ready"))
    assert "key 'trained.base': the base is a cross-encoder" in message(folder)


def test_a_cross_encoder_may_start_from_a_cross_encoder(folder):
    write(folder, "models/reranker", changed("models/reranker", "trained", "base", value="ready"))
    registry(folder)


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ({"model": "ready"}, "key 'systems.x.model': 'ready' is a cross-encoder, which cannot search"),
        ({"rerank": {"system": "bm25", "model": "base"}}, "'base' is an encoder, expected a cross-encoder"),
        ({"rerank": {"system": "nobody", "model": "ready"}}, "key 'systems.x.rerank.system': 'nobody' is none of"),
        ({"rerank": {"system": "x", "model": "ready"}}, "x -> x: a system cannot be made of itself"),
        ({"rerank": {"system": "bm25", "model": "ready", "depth": 101}}, "101, but runs have 100 documents a query"),
        ({"rerank": {"system": "bm25", "model": "reddy"}}, "did you mean 'ready'?"),
        ({"fusion": {"systems": ["x", "bm25"]}}, "x -> x: a system cannot be made of itself"),
        ({"fusion": {"systems": ["bm25", "nobody"]}}, "key 'systems.x.fusion.systems': 'nobody' is none of"),
        ({"fusion": {"systems": ["bm25", "bm25"]}}, "has one twice"),
        ({"fusion": {"systems": ["bm25"]}}, "at least 2"),
        ({"fusion": {"systems": ["bm25", "before"], "weights": [1]}}, "must be one number from 0 on a system"),
        ({"fusion": {"systems": ["bm25", "before"], "weights": [0, 0]}}, "not all 0"),
        ({"fusion": {"systems": ["bm25", "before"], "weights": [1, 1], "tune": {}}}, "give `weights` or `tune`"),
        ({"fusion": {"systems": ["bm25", "before", "after"], "tune": {}}}, "`tune` weighs two systems"),
        ({"fusion": {"systems": ["bm25", "before"], "tune": {"split": "test"}}}, "make its scores too good"),
        ({"fusion": {"systems": ["bm25", "before"], "tune": {"split": "none"}}}, "split 'none' does not exist"),
    ],
)
def test_a_system_that_cannot_be_made_is_refused_with_what_to_do(folder, system, expected):
    write(folder, "experiments/e", changed("experiments/e", "systems", "x", value=system))
    assert expected in message(folder)


def test_rerankings_that_need_each_other_are_refused(folder):
    systems = {
        "before": {"model": "base"},
        "x": {"rerank": {"system": "y", "model": "ready"}},
        "y": {"rerank": {"system": "x", "model": "ready"}},
    }
    write(folder, "experiments/e", changed("experiments/e", "systems", value=systems))
    assert "x -> y -> x" in message(folder)


def test_each_run_is_reranked_by_the_cross_encoder_of_its_seed(folder):
    graph = Graph(registry(folder), PROJECT)
    runs = {(ranked.system, ranked.variant): str(ranked.run) for ranked in graph.ranked_systems("e")}
    bm25 = runs["bm25", "bm25"].removeprefix("results/")
    by_reranker, by_ready = "results/search/d/reranker", "results/search/d/ready/pretrained"
    expected = {
        ("ready-reranks-before", "pretrained"): f"{by_ready}/rerank100/search/d/base/pretrained/test.top100.trec"
    }
    for seed in ("seed0", "seed1"):
        after = f"search/d/tuned/{seed}/test.top100.trec"
        expected |= {
            ("trained-reranks-bm25", seed): f"{by_reranker}/{seed}/rerank20/{bm25}",
            ("trained-reranks-after", seed): f"{by_reranker}/{seed}/rerank100/{after}",
            ("ready-reranks-after", seed): f"{by_ready}/rerank100/{after}",
            ("ready-reranks-reranked", seed): f"{by_ready}/rerank10/search/d/reranker/{seed}/rerank20/{bm25}",
        }
    assert {key: run for key, run in runs.items() if "reranks" in key[0]} == expected


def test_the_models_and_runs_of_a_reranking_are_watched_for_damage(folder):
    graph = Graph(registry(folder), PROJECT)
    manifests = {str(manifest) for manifest in graph.manifests("e")}
    assert {
        "results/train/reranker/seed1/manifest.json",
        "results/train/ready/pretrained/manifest.json",
        "results/train/base/pretrained/manifest.json",
        "results/negatives/d.train/n/manifest.json",
        "results/search/d/ready/pretrained/rerank100/search/d/tuned/seed0/test.top100.manifest.json",
    } <= manifests


def test_the_code_of_one_kind_does_not_rerun_the_training_of_the_other(folder):
    graph = Graph(registry(folder), PROJECT)
    assert graph.train_code("tuned") != graph.train_code("reranker")
    assert '"kind":"cross_encoder"' in graph.train_options("reranker")
    assert '"kind"' not in graph.train_options("tuned")
