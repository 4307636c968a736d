"""Separate encoders for queries and passages, a frozen passage side, and a projection."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from tiny_training import run, same

from denseflow.contract import read_contract
from denseflow.encode.batches import encode_texts
from denseflow.encode.encode import encode_corpus, encode_queries
from denseflow.encoder import apply_contract, embed, load_encoder, save_encoder, tokenize
from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl
from denseflow.manifest import write_manifest
from denseflow.train.encoders import shape_encoders
from denseflow.train.grad_cache import GradCache
from denseflow.train.pretrained import prepare

TEXTS = ["what is the effect of diet on the risk of heart disease", "milk", "cancer in women and men"]

PREFIXES = {"query_prefix": "query: ", "passage_prefix": "passage: ", "query_max_length": 8, "title_separator": " # "}


def route_weights(folder: Path, route: str) -> dict[str, torch.Tensor]:
    """The weights of a route of a saved model."""
    (file,) = folder.glob(f"model/{route}_0_Transformer/model.safetensors")
    return load_file(file)


def base_weights(base: Path) -> dict[str, torch.Tensor]:
    return load_file(base.parent / "model" / "model.safetensors")


def shaped(base: Path, **recipe) -> SentenceTransformer:
    return shape_encoders(load_encoder(base.parent / "model"), recipe, seed=0)


def assert_the_same_vectors_alone(folder: Path) -> None:
    """sentence-transformers alone gives the vectors of the encode stage."""
    ours, alone = load_encoder(folder), SentenceTransformer(str(folder), device="cpu")
    np.testing.assert_allclose(encode_texts(ours, TEXTS, "query"), alone.encode_query(TEXTS), atol=1e-6)
    np.testing.assert_allclose(encode_texts(ours, TEXTS, "passage"), alone.encode_document(TEXTS), atol=1e-6)


@pytest.fixture(scope="module")
def separate(base, training_file, tmp_path_factory) -> Path:
    """A training of one step with separate encoders."""
    return run(base, training_file, tmp_path_factory.mktemp("separate"), encoders="separate", max_steps=1)


@pytest.fixture(scope="module")
def query_only(base, training_file, tmp_path_factory) -> Path:
    """A training of three steps in which only the query encoder learns."""
    changes = {"encoders": "query_only", "max_steps": 3, "weight_decay": 0.1}
    return run(base, training_file, tmp_path_factory.mktemp("query_only"), **changes)


def test_separate_encoders_start_equal_and_have_different_weights_after_one_step(base, separate):
    assert same(route_weights_of(shaped(base, encoders="separate"), "query"), base_weights(base))
    queries, passages = route_weights(separate, "query"), route_weights(separate, "document")
    start = base_weights(base)
    assert not same(queries, passages)
    assert not same(queries, start)
    assert not same(passages, start)


def route_weights_of(model: SentenceTransformer, route: str) -> dict[str, torch.Tensor]:
    return dict(model[0].sub_modules[route][0].auto_model.state_dict())


def test_with_query_only_the_passage_encoder_stays_bit_for_bit_and_the_query_encoder_learns(base, query_only):
    assert same(route_weights(query_only, "document"), base_weights(base))
    assert not same(route_weights(query_only, "query"), base_weights(base))


@pytest.mark.parametrize("trained", ["separate", "query_only"])
def test_sentence_transformers_alone_gives_the_vectors_of_both_sides(trained, request):
    folder = request.getfixturevalue(trained) / "model"
    assert_the_same_vectors_alone(folder)
    model = load_encoder(folder)
    assert not np.allclose(encode_texts(model, TEXTS, "query"), encode_texts(model, TEXTS, "passage"), atol=1e-3)


def test_the_encode_stage_reads_the_contract_of_separate_encoders_and_takes_each_side(separate, tmp_path):
    prepare({"path": str(separate / "model")}, PREFIXES, tmp_path / "model", tmp_path / "revisions.json")
    data = tmp_path / "data"
    write_jsonl(data / "corpus.jsonl", ({"_id": f"d{n}", "title": "food", "text": t} for n, t in enumerate(TEXTS)))
    write_jsonl(data / "queries.test.jsonl", ({"_id": f"q{n}", "text": text} for n, text in enumerate(TEXTS)))
    write_manifest(data, "dataset", ["corpus.jsonl", "queries.test.jsonl"])
    inputs = tmp_path / "model" / "manifest.json", data / "manifest.json", tmp_path / "out"
    where = {"granted_gpus": 0, "threads": 1}
    encode_corpus(*inputs, shard_size=1000, **where)
    encode_queries(*inputs, split="test", **where)
    alone = SentenceTransformer(str(tmp_path / "model" / "model"), device="cpu")
    passages = alone.encode_document([f"food # {text}" for text in TEXTS])
    np.testing.assert_allclose(np.load(tmp_path / "out" / "corpus" / "00000.npy"), passages, atol=1e-6)
    queries = alone.encode_query(TEXTS)
    np.testing.assert_allclose(np.load(tmp_path / "out" / "queries.test.npy"), queries, atol=1e-6)


def test_passages_that_do_not_learn_have_vectors_without_dropout_and_without_a_graph(base):
    model = shaped(base, encoders="query_only").train()
    expected = encode_texts(load_encoder(base.parent / "model"), TEXTS, "passage")
    vectors = embed(model, tokenize(model, TEXTS, "passage"), "passage")
    assert not vectors.requires_grad
    np.testing.assert_allclose(vectors.numpy(), expected, atol=1e-6)
    assert embed(model, tokenize(model, TEXTS, "query"), "query").requires_grad


@pytest.mark.parametrize("micro_batch", [None, 2])
def test_nothing_is_sent_back_through_passages_that_do_not_learn(
    base, training_file, tmp_path, monkeypatch, micro_batch
):
    kinds = []
    send_back = GradCache.send_back
    monkeypatch.setattr(
        GradCache, "send_back", lambda self, piece, *rest: kinds.append(piece["kind"]) or send_back(self, piece, *rest)
    )
    run(base, training_file, tmp_path, encoders="query_only", max_steps=2, micro_batch=micro_batch)
    assert set(kinds) == {"query"}


def test_training_separate_encoders_goes_on_from_separate_encoders(base, separate, training_file, tmp_path):
    out = run(separate / "manifest.json", training_file, tmp_path, encoders="query_only", max_steps=1)
    assert same(route_weights(out, "document"), route_weights(separate, "document"))
    assert not same(route_weights(out, "query"), route_weights(separate, "query"))
    with pytest.raises(DenseflowError, match=r"recipe\.encoders: 'shared'.*set `encoders: separate`"):
        run(separate / "manifest.json", training_file, tmp_path)


def test_both_sides_of_separate_encoders_follow_the_contract_and_keep_it(base, tmp_path):
    model = shaped(base, encoders="separate")
    options = {
        "pooling": "cls",
        "normalize": False,
        "query_prefix": "query: ",
        "passage_prefix": "passage: ",
        "query_max_length": 7,
        "passage_max_length": 9,
        "title_separator": " | ",
        "similarity": "dot",
    }
    contract = apply_contract(model, options)
    save_encoder(model, tmp_path / "model")
    again = load_encoder(tmp_path / "model")
    assert read_contract(again) == contract
    tokens = {"add_bos": False, "add_eos": False, "padding_side": "right", "pad_token": "pad"}
    assert contract.as_dict() == {**options, **tokens}
    shared = load_encoder(base.parent / "model")
    apply_contract(shared, options)
    for kind in ("query", "passage"):
        np.testing.assert_allclose(encode_texts(again, TEXTS, kind), encode_texts(shared, TEXTS, kind), atol=1e-6)
        assert tokenize(again, TEXTS, kind)["input_ids"].shape[1] == {"query": 7, "passage": 9}[kind]
    assert_the_same_vectors_alone(tmp_path / "model")
    apply_contract(again, {"normalize": True})
    assert np.linalg.norm(encode_texts(again, TEXTS, "passage"), axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("encoders", ["shared", "separate"])
def test_a_projection_gives_vectors_of_its_size_learns_and_is_saved(base, training_file, tmp_path, encoders):
    out = run(base, training_file, tmp_path, encoders=encoders, projection=8, max_steps=1)
    model = load_encoder(out / "model")
    vectors = encode_texts(model, TEXTS, "passage")
    assert vectors.shape == (3, 8)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert_the_same_vectors_alone(out / "model")
    start = shaped(base, encoders=encoders, projection=8)
    assert not np.allclose(encode_texts(start, TEXTS, "passage"), vectors, atol=1e-4)
    if encoders == "separate":
        assert not np.allclose(encode_texts(model, TEXTS, "query"), vectors, atol=1e-4)
    assert json.loads((out / "manifest.json").read_text())["recipe"]["projection"] == 8


def test_a_projection_starts_as_a_rotation_that_the_seed_gives(base):
    whole = encode_texts(load_encoder(base.parent / "model"), TEXTS, "passage")
    first, again = (encode_texts(shaped(base, projection=32), TEXTS, "passage") for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first @ first.T, whole @ whole.T, atol=1e-5)
    other = encode_texts(shape_encoders(load_encoder(base.parent / "model"), {"projection": 32}, 1), TEXTS, "passage")
    assert not np.allclose(first, other, atol=1e-3)


def test_a_projection_of_a_side_that_does_not_learn_is_refused(base):
    with pytest.raises(DenseflowError, match=r"recipe\.projection: 8, but with `encoders: query_only`"):
        shaped(base, encoders="query_only", projection=8)


def test_the_first_token_is_what_cls_means_not_the_poolers_output(base):
    model = load_encoder(base.parent / "model")
    apply_contract(model, {"pooling": "cls", "normalize": False})
    features = tokenize(model, TEXTS, "passage")
    with torch.inference_mode():
        hidden = model[0].auto_model(input_ids=features["input_ids"], attention_mask=features["attention_mask"])
        vectors = embed(model, features, "passage")
    assert torch.equal(features["input_ids"][:, 0], torch.full((3,), model.tokenizer.cls_token_id))
    torch.testing.assert_close(vectors, hidden.last_hidden_state[:, 0])
