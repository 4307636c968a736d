"""The encoder's contract: each of its options acts, is kept with the model, and is read by sentence-transformers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tiny import make_tiny_bert, make_tiny_model
from transformers import BertModel, RobertaConfig, RobertaModel

from denseflow.collection import Document
from denseflow.encoder import apply_contract, load_encoder, passage_text, read_contract, save_encoder, tokenize
from denseflow.errors import DenseflowError

TEXT = "the effect of diet on the risk of heart disease in women and men"
CHANGES = {
    "pooling": "cls",
    "normalize": False,
    "query_prefix": "query: ",
    "passage_prefix": "passage: ",
    "query_max_length": 7,
    "passage_max_length": 9,
    "title_separator": " | ",
    "similarity": "dot",
}
TOKENS = {"add_bos": False, "add_eos": False, "padding_side": "right", "pad_token": "pad"}
DOCUMENT = Document("d1", "fish", TEXT)


def vectors(model: SentenceTransformer) -> dict[str, np.ndarray]:
    """A query's and a document's vector."""
    passage = passage_text(DOCUMENT, read_contract(model))
    with torch.inference_mode():
        return {
            "query": model(tokenize(model, [TEXT], "query"))["sentence_embedding"].numpy(),
            "passage": model(tokenize(model, [passage], "passage"))["sentence_embedding"].numpy(),
        }


def test_a_folder_says_its_contract(tiny_model):
    contract = read_contract(load_encoder(tiny_model))
    assert contract.as_dict() == {
        "pooling": "mean",
        "normalize": True,
        "query_prefix": "",
        "passage_prefix": "",
        "query_max_length": 128,
        "passage_max_length": 128,
        "title_separator": " ",
        "similarity": "cosine",
        **TOKENS,
    }


@pytest.mark.parametrize(
    ("option", "changed"),
    [
        ("pooling", {"query", "passage"}),
        ("normalize", {"query", "passage"}),
        ("query_prefix", {"query"}),
        ("passage_prefix", {"passage"}),
        ("query_max_length", {"query"}),
        ("passage_max_length", {"passage"}),
        ("title_separator", {"passage"}),
    ],
)
def test_each_option_changes_the_vectors_of_its_side_and_no_others(tiny_model, option, changed):
    model = load_encoder(tiny_model)
    before = vectors(model)
    apply_contract(model, {option: CHANGES[option]})
    after = vectors(model)
    assert {side for side in before if not np.allclose(before[side], after[side])} == changed


def test_an_option_that_is_none_keeps_what_the_folder_says(tiny_model):
    model = load_encoder(tiny_model)
    before = read_contract(model)
    assert apply_contract(model, dict.fromkeys(CHANGES)) == before
    assert apply_contract(model, {}) == before


def test_normalisation_can_be_put_on_a_model_that_has_none(tmp_path):
    model = load_encoder(make_tiny_model(tmp_path / "model", normalize=False))
    assert not np.allclose(np.linalg.norm(vectors(model)["query"]), 1, atol=0.1)
    apply_contract(model, {"normalize": True})
    assert np.linalg.norm(vectors(model)["query"]) == pytest.approx(1, abs=1e-6)


def test_a_model_that_says_nowhere_how_long_a_text_may_be_takes_the_contracts_lengths(tiny_model, monkeypatch):
    monkeypatch.setattr("denseflow.contract.count_positions", lambda model, kind: None)
    model = load_encoder(tiny_model)
    model.tokenizer.model_max_length = 10**30
    with pytest.raises(DenseflowError, match=r"says nowhere .* set contract\.query_max_length and"):
        apply_contract(model, {"query_max_length": 7})
    contract = apply_contract(model, {"query_max_length": 7, "passage_max_length": 9})
    assert read_contract(model) == contract
    assert (contract.query_max_length, contract.passage_max_length) == (7, 9)


@pytest.fixture
def changed_model(tiny_model: Path, tmp_path: Path) -> tuple[SentenceTransformer, Path]:
    """The tiny model with every option changed, loaded and as a saved folder."""
    model = load_encoder(tiny_model)
    apply_contract(model, CHANGES)
    save_encoder(model, tmp_path / "saved")
    return model, tmp_path / "saved"


def test_the_contract_and_the_vectors_survive_saving_and_loading(changed_model):
    model, folder = changed_model
    again = load_encoder(folder)
    assert read_contract(again).as_dict() == CHANGES | TOKENS
    for side, vector in vectors(model).items():
        np.testing.assert_array_equal(vectors(again)[side], vector)


def test_sentence_transformers_alone_gives_the_same_vectors_from_the_saved_folder(changed_model):
    model, folder = changed_model
    plain = SentenceTransformer(str(folder), device="cpu")
    ours = vectors(model)
    np.testing.assert_allclose(plain.encode_query([TEXT]), ours["query"], atol=1e-6)
    np.testing.assert_allclose(plain.encode_document([f"fish | {TEXT}"]), ours["passage"], atol=1e-6)
    assert plain.similarity_fn_name == "dot"


def test_no_pooler_is_made_up_for_a_bert_without_one(tiny_model, changed_model):
    _, saved = changed_model
    for model in (load_encoder(tiny_model), load_encoder(saved), SentenceTransformer(str(saved), device="cpu")):
        assert not [name for name, _ in model.named_parameters() if "pooler" in name]


def test_weights_in_half_precision_are_computed_with_in_float32(tmp_path):
    folder = make_tiny_model(tmp_path / "model")
    BertModel.from_pretrained(folder, add_pooling_layer=False).half().save_pretrained(folder)
    assert {parameter.dtype for parameter in load_encoder(folder).parameters()} == {torch.float32}


def test_dropout_is_kept_for_training_and_off_after_loading(tiny_model):
    model = load_encoder(tiny_model)
    assert not model.training
    assert model[0].auto_model.config.hidden_dropout_prob == 0.1


def test_saving_replaces_an_older_folder_whole(changed_model):
    model, folder = changed_model
    (folder / "leftover.json").write_text("{}", encoding="utf-8")
    save_encoder(model, folder)
    assert not (folder / "leftover.json").exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("key", ["query_max_length", "passage_max_length"])
def test_a_maximum_length_beyond_the_models_positions_is_an_error_that_says_how_many_there_are(tiny_model, key):
    with pytest.raises(DenseflowError, match=rf"contract\.{key}: 129 tokens, expected 1 to 128"):
        apply_contract(load_encoder(tiny_model), {key: 129})


def test_positions_are_counted_from_the_padding_index_in_roberta(tmp_path):
    folder = make_tiny_model(tmp_path / "model")
    config = RobertaConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=66, pad_token_id=0,
    )  # fmt: skip
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    model = load_encoder(folder)
    long = apply_contract(model, {"passage_max_length": 65})
    with torch.inference_mode():
        features = model(tokenize(model, ["fish " * 100], "passage"))
    assert long.query_max_length == 65
    assert features["input_ids"].shape == (1, 65)
    with pytest.raises(DenseflowError, match="expected 1 to 65"):
        apply_contract(model, {"passage_max_length": 66})


def test_the_passage_prompt_of_older_models_is_the_passage_prefix(tiny_model, tmp_path):
    model = load_encoder(tiny_model)
    model.prompts = {"query": "query: ", "passage": "passage: "}
    model.default_prompt_name = "passage"
    save_encoder(model, tmp_path / "older")
    older = load_encoder(tmp_path / "older")
    assert read_contract(older).passage_prefix == "passage: "
    apply_contract(older, {})
    save_encoder(older, tmp_path / "newer")
    assert SentenceTransformer(str(tmp_path / "newer"), device="cpu").prompts["document"] == "passage: "
    apply_contract(older, {"passage_prefix": ""})
    assert read_contract(older).passage_prefix == ""


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [("a", "b", "a # b"), ("", "b", "b"), ("a", "", "a"), ("", "", "")],
)
def test_the_separator_stands_only_between_a_title_and_a_text(tiny_model, title, text, expected):
    contract = apply_contract(load_encoder(tiny_model), {"title_separator": " # "})
    assert passage_text(Document("d", title, text), contract) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "cls"}, r"contract\.pool: no such key; expected one of pooling, normalize"),
        ({"pooling": "median"}, r"contract\.pooling: 'median', expected one of cls"),
        ({"similarity": "euclidean"}, r"contract\.similarity: 'euclidean', expected dot or cosine"),
        ({"query_max_length": 0}, r"contract\.query_max_length: 0 tokens, expected 1 to"),
    ],
)
def test_a_mistaken_option_is_named_with_what_was_expected(tiny_model, options, message):
    with pytest.raises(DenseflowError, match=message):
        apply_contract(load_encoder(tiny_model), options)


def test_a_model_with_a_similarity_that_the_search_has_not_is_refused(tiny_model):
    model = load_encoder(tiny_model)
    model.similarity_fn_name = "manhattan"
    with pytest.raises(DenseflowError, match="'manhattan', expected dot or cosine"):
        read_contract(model)
    assert apply_contract(model, {"similarity": "dot"}).similarity == "dot"


def test_a_plain_folder_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(DenseflowError, match=r"no modules\.json .* contract\.pooling"):
        load_encoder(make_tiny_bert(tmp_path / "plain"))


def test_a_broken_folder_is_an_error_that_names_it(tmp_path):
    folder = make_tiny_model(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(DenseflowError, match=f"{folder}: cannot be loaded"):
        load_encoder(folder)


def test_the_extra_file_holds_only_what_sentence_transformers_has_no_place_for(changed_model):
    _, folder = changed_model
    extra = json.loads((folder / "denseflow.json").read_text(encoding="utf-8"))
    assert extra == {"title_separator": " | ", "trust_remote_code": False}
