"""A cross-encoder is loaded, keeps its contract, and scores pairs as sentence-transformers does."""

import json
import random
import shutil

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from tiny import make_tiny_bert, make_tiny_llama
from tiny_cross_encoder import make_cross_encoder
from transformers import AutoModelForSequenceClassification

from denseflow.collection import Document
from denseflow.contract import passage_text, read_contract
from denseflow.cross_encoder import apply_pair_contract, is_cross_encoder, new_cross_encoder, save_cross_encoder
from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.search.cross_encoder import load_cross_encoder, read_pair_contract, score_pairs
from denseflow.train.pretrained import prepare

WORDS = ["study", "health", "disease", "cancer", "heart", "diet", "food", "fruit", "meat", "milk"]
CONTRACT = {"query_prefix": "query: ", "passage_prefix": "passage: ", "pair_max_length": 40, "title_separator": ". "}


def make_pairs(count=60):
    draw = random.Random(0)
    text = lambda most: " ".join(draw.choices(WORDS, k=draw.randint(1, most)))  # noqa: E731
    return [(text(5), text(60)) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_cross_encoder(tmp_path_factory.mktemp("pairs"), contract=CONTRACT).parent / "model"


@pytest.fixture
def model(folder):
    return load_cross_encoder(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A folder of transformers' own for sequence classification with so many labels."""

    def make(labels):
        folder = tmp_path_factory.mktemp("plain") / "model"
        make_tiny_bert(folder)
        AutoModelForSequenceClassification.from_pretrained(folder, num_labels=labels).save_pretrained(folder)
        return folder

    return make


def test_scores_are_those_of_sentence_transformers_predict_on_the_same_folder(folder, model):
    pairs = make_pairs()
    expected = CrossEncoder(str(folder), device="cpu").predict(
        [(f"query: {query}", f"passage: {passage}") for query, passage in pairs]
    )
    scores = score_pairs(model, pairs)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert scores.std() > 0.1


def test_scores_do_not_depend_on_the_order_or_on_the_size_of_batches(model):
    pairs = make_pairs()
    scores = score_pairs(model, pairs)
    assert np.array_equal(scores, score_pairs(model, pairs))
    np.testing.assert_allclose(score_pairs(model, pairs[::-1])[::-1], scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(score_pairs(model, pairs, batch_tokens=100), scores, rtol=1e-4, atol=1e-5)
    assert score_pairs(model, []).shape == (0,)


def test_batches_keep_to_their_tokens_and_are_of_pairs_of_like_length(model, monkeypatch):
    masks, forward = [], model.forward
    monkeypatch.setattr(
        model, "forward", lambda features: masks.append(features["attention_mask"]) or forward(features)
    )
    score_pairs(model, make_pairs(200), batch_tokens=1000)
    assert max(mask.numel() for mask in masks) <= 1000
    assert sum(int((1 - mask).sum()) for mask in masks) < 0.1 * sum(int(mask.sum()) for mask in masks)


def test_a_broken_score_is_refused(model):
    with torch.no_grad():
        model[0].auto_model.classifier.bias.fill_(float("nan"))
    with pytest.raises(DenseflowError, match="gives nan to the query"):
        score_pairs(model, make_pairs(3))


@pytest.mark.parametrize(
    ("key", "value"),
    [("query_prefix", ""), ("passage_prefix", "text: "), ("pair_max_length", 20)],
)
def test_each_key_of_the_contract_changes_the_scores(model, key, value):
    pairs = make_pairs(5)
    before = score_pairs(model, pairs)
    apply_pair_contract(model, {key: value})
    assert not np.allclose(before, score_pairs(model, pairs))


def test_the_title_separator_stands_between_title_and_text(model):
    assert passage_text(Document("d", "Milk", "is food"), read_pair_contract(model)) == "Milk. is food"


def test_the_contract_is_saved_with_the_model(model, tmp_path):
    assert read_pair_contract(model).as_dict() == CONTRACT
    apply_pair_contract(model, {"pair_max_length": 30, "query_prefix": "q: "})
    save_cross_encoder(model, tmp_path / "model")
    again = load_cross_encoder(tmp_path / "model")
    assert read_pair_contract(again).as_dict() == CONTRACT | {"pair_max_length": 30, "query_prefix": "q: "}
    assert np.array_equal(score_pairs(model, make_pairs(5)), score_pairs(again, make_pairs(5)))


@pytest.mark.parametrize("length", [3, 129])
def test_a_length_that_the_model_does_not_have_is_refused(model, length):
    with pytest.raises(DenseflowError, match=f"contract.pair_max_length: {length} tokens, expected 4 to 128"):
        apply_pair_contract(model, {"pair_max_length": length})


def test_a_key_of_vectors_is_refused(model):
    with pytest.raises(DenseflowError, match=r"contract.pooling: a cross-encoder has no such key"):
        apply_pair_contract(model, {"pooling": "cls"})


def test_a_new_head_is_drawn_with_the_seed_and_the_encoder_stays(tiny_model):
    encoder = load_encoder(tiny_model)
    contract = read_contract(encoder)
    one, new = new_cross_encoder(tiny_model, contract, seed=1)
    same, other = (new_cross_encoder(tiny_model, contract, seed=seed)[0].state_dict() for seed in (1, 2))
    assert new == ["bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"]
    assert all(torch.equal(value, same[name]) for name, value in one.state_dict().items())
    assert not torch.equal(same["0.model.classifier.weight"], other["0.model.classifier.weight"])
    for name, value in encoder[0].auto_model.state_dict().items():
        assert torch.equal(value, other[f"0.model.bert.{name}"])


def test_a_new_cross_encoder_keeps_the_encoders_prefixes_and_takes_both_lengths_together(tiny_model):
    encoder = load_encoder(tiny_model)
    contract = read_contract(encoder)
    changed = type(contract)(**{**contract.as_dict(), "query_prefix": "q: ", "query_max_length": 20})
    for passages, together in ((30, 50), (128, 128)):  # the model has 128 positions
        changed = type(contract)(**{**changed.as_dict(), "passage_max_length": passages})
        found = read_pair_contract(new_cross_encoder(tiny_model, changed, seed=0)[0])
        assert found.query_prefix == "q: "
        assert found.pair_max_length == together


def test_a_plain_folder_for_sequence_classification_is_a_cross_encoder(plain):
    folder = plain(1)
    assert is_cross_encoder(folder)
    pairs = make_pairs(5)
    expected = CrossEncoder(str(folder), device="cpu").predict(pairs, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(score_pairs(load_cross_encoder(folder), pairs), expected, rtol=1e-4, atol=1e-5)


def test_an_encoder_is_refused_as_a_cross_encoder(tiny_model):
    with pytest.raises(DenseflowError, match="holds no cross-encoder"):
        load_cross_encoder(tiny_model)


def test_a_head_of_several_labels_is_refused(plain):
    with pytest.raises(DenseflowError, match="its head gives 3 numbers, expected 1"):
        load_cross_encoder(plain(3))


def test_a_prompt_before_every_pair_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / "config_sentence_transformers.json"
    settings = json.loads(path.read_text()) | {"prompts": {"rank": "Judge: "}, "default_prompt_name": "rank"}
    path.write_text(json.dumps(settings))
    with pytest.raises(DenseflowError, match="its prompt 'rank' before every pair"):
        load_cross_encoder(tmp_path / "model")


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_decoder_scores_pairs_alike_whatever_is_padded_beside_them(tmp_path, side):
    make_tiny_llama(tmp_path / "llama", padding_side=side)
    prepare({"path": str(tmp_path / "llama")}, {"pooling": "lasttoken"}, tmp_path / "encoder", tmp_path / "revisions")
    encoder = load_encoder(tmp_path / "encoder" / "model")
    made, new = new_cross_encoder(tmp_path / "encoder" / "model", read_contract(encoder), seed=0)
    assert new == ["score.weight"]
    save_cross_encoder(made, tmp_path / "pairs")
    model, pairs = load_cross_encoder(tmp_path / "pairs"), make_pairs(8)
    scores = score_pairs(model, pairs)
    np.testing.assert_allclose(scores, score_pairs(model, pairs, batch_tokens=1), rtol=1e-4, atol=1e-5)
    assert scores.std() > 1e-3
