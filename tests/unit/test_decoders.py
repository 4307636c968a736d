"""Decoder language models as encoders: the last token, added bos and eos, padding on either side."""

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tiny import make_tiny_bert, make_tiny_llama
from tiny_training import run
from tokenizers.processors import TemplateProcessing
from transformers import (
    GemmaTokenizerFast,
    GPT2TokenizerFast,
    LlamaTokenizerFast,
    PreTrainedTokenizerFast,
    Qwen2TokenizerFast,
    RobertaTokenizerFast,
)

from denseflow.encode.batches import encode_texts
from denseflow.encoder import apply_contract, load_encoder, read_contract, save_encoder, tokenize
from denseflow.errors import DenseflowError
from denseflow.special_tokens import has_special_token, put_special_token
from denseflow.train.pretrained import prepare

TEXTS = ["what is the effect of diet on the risk of heart disease", "milk", "cancer in women and men"]
BOS, EOS = 1, 2


def prepare_llama(folder: Path, **contract: object) -> tuple[SentenceTransformer, dict]:
    """The tiny Llama as a pretrained model; ``side`` is that of its own tokenizer."""
    source = make_tiny_llama(folder / "source", padding_side=contract.pop("side", "right"))
    manifest = prepare({"path": str(source)}, {"pooling": "lasttoken", **contract}, folder / "out", folder / "r.json")
    return load_encoder(folder / "out" / "model"), manifest


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> SentenceTransformer:
    return prepare_llama(tmp_path_factory.mktemp("llama"))[0]


def test_a_language_model_without_a_padding_token_becomes_an_encoder_that_pads_with_eos_and_says_so(tmp_path, caplog):
    caplog.set_level("INFO", logger="denseflow")
    model, manifest = prepare_llama(tmp_path)
    assert "padded with its eos token '</s>'" in caplog.text
    assert manifest["contract"]["pooling"] == "lasttoken"
    vectors = encode_texts(model, TEXTS, "query")
    assert vectors.shape == (3, 32)
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors.round(3), axis=0)) == 3
    alone = SentenceTransformer(str(tmp_path / "out" / "model"), device="cpu")
    np.testing.assert_allclose(alone.encode_query(TEXTS), vectors, atol=1e-5)


def test_texts_are_not_put_into_a_chat_template(llama):
    assert tokenize(llama, ["milk"], "query")["modality"] == "text"


@pytest.mark.parametrize("pooling", ["lasttoken", "mean"])
@pytest.mark.parametrize("own", ["left", "right"])
def test_padding_on_either_side_gives_the_same_vectors(tmp_path, own, pooling):
    contract = {"pooling": pooling, "add_bos": True, "add_eos": True, "side": own}
    model, manifest = prepare_llama(tmp_path, **contract)
    assert manifest["contract"]["padding_side"] == own
    other = {"left": "right", "right": "left"}[own]
    vectors = {own: encode_texts(model, TEXTS, "passage")}
    apply_contract(model, {"padding_side": other})
    vectors[other] = encode_texts(model, TEXTS, "passage")
    np.testing.assert_allclose(vectors["left"], vectors["right"], atol=1e-5)
    first = np.array([tokenize(model, TEXTS, "passage")["attention_mask"][1, place].item() for place in (0, -1)])
    assert first.tolist() == {"left": [0, 1], "right": [1, 0]}[other]

    save_encoder(model, tmp_path / "saved")
    alone = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    assert alone.tokenizer.padding_side == other
    np.testing.assert_allclose(alone.encode_document(TEXTS), vectors[other], atol=1e-5)


@pytest.mark.parametrize("add_bos", [False, True])
@pytest.mark.parametrize("add_eos", [False, True])
def test_bos_and_eos_are_added_saved_and_read_by_sentence_transformers(llama, tmp_path, add_bos, add_eos):
    options = {"add_bos": add_bos, "add_eos": add_eos, "passage_max_length": 6}
    assert apply_contract(llama, options).as_dict().items() >= options.items()
    save_encoder(llama, tmp_path / "model")
    again = load_encoder(tmp_path / "model")
    assert read_contract(again).as_dict().items() >= options.items()
    for model in (llama, again):
        for text, length in (("milk and fish", 3 + add_bos + add_eos), (TEXTS[0], 6)):  # the second one is cut
            ids = tokenize(model, [text], "passage")["input_ids"][0].tolist()
            assert len(ids) == length
            assert (ids[0] == BOS, ids[-1] == EOS) == (add_bos, add_eos)
            assert not {BOS, EOS} & set(ids[add_bos : len(ids) - add_eos])
    vectors = encode_texts(again, TEXTS, "passage")
    np.testing.assert_allclose(vectors, encode_texts(llama, TEXTS, "passage"), atol=1e-6)
    alone = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    np.testing.assert_allclose(alone.encode_document(TEXTS), vectors, atol=1e-5)


def test_the_last_token_is_the_eos_that_was_added(llama):
    apply_contract(llama, {"add_eos": False})
    without = encode_texts(llama, TEXTS, "query")
    apply_contract(llama, {"add_eos": True})
    assert not np.allclose(encode_texts(llama, TEXTS, "query"), without, atol=1e-2)


def test_a_bert_has_no_bos_to_add_and_does_not_take_padding_on_the_left(tiny_model):
    model = load_encoder(tiny_model)
    for option, message in (
        ({"add_bos": True}, r"contract\.add_bos: true, but the tokenizer has no bos token; leave the key out"),
        ({"padding_side": "left"}, r"contract\.padding_side: 'left', but this model counts .* set it to right"),
    ):
        with pytest.raises(DenseflowError, match=message):
            apply_contract(model, option)
    assert apply_contract(model, {"add_bos": False, "add_eos": False, "padding_side": "right"}) == read_contract(model)


def test_an_empty_text_without_any_token_is_refused_and_has_a_vector_with_eos(llama):
    apply_contract(llama, {"add_bos": False, "add_eos": False})
    with pytest.raises(DenseflowError, match=r"a passage without words .* set contract\.add_eos: true"):
        encode_texts(llama, ["milk", ""], "passage")
    apply_contract(llama, {"add_eos": True})
    assert np.isfinite(encode_texts(llama, ["milk", ""], "passage")).all()


def test_a_decoder_learns_with_its_contract_and_is_saved_as_it_was_trained(tmp_path, training_file):
    prepare_llama(tmp_path / "base", normalize=True, side="left")
    contract = {"add_eos": True, "passage_max_length": 12}
    options = {"max_steps": 2, "gradient_checkpointing": True, "micro_batch": 2, "encoders": "separate"}
    out = run(tmp_path / "base" / "out" / "manifest.json", training_file, tmp_path, contract=contract, **options)
    model = load_encoder(out / "model")
    kept = {"pooling": "lasttoken", "add_eos": True, "add_bos": False, "padding_side": "left", "passage_max_length": 12}
    assert read_contract(model).as_dict().items() >= kept.items()
    alone = SentenceTransformer(str(out / "model"), device="cpu")
    for kind, encode in (("query", alone.encode_query), ("passage", alone.encode_document)):
        np.testing.assert_allclose(encode_texts(model, TEXTS, kind), encode(TEXTS), atol=1e-5)
    queries, passages = encode_texts(model, TEXTS, "query"), encode_texts(model, TEXTS, "passage")
    assert not np.allclose(queries, passages, atol=1e-4)


def test_what_else_a_tokenizer_puts_around_a_text_stays(llama, tmp_path):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(make_tiny_llama(tmp_path / "source"))
    names = [("<s>", BOS), ("food", tokenizer.convert_tokens_to_ids("food")), ("</s>", EOS)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=["<s>", "food", "$A", "</s>"], special_tokens=names
    )
    put_special_token(tokenizer, "bos", False)
    assert tokenizer.convert_ids_to_tokens(tokenizer("milk")["input_ids"]) == ["food", "milk", "</s>"]
    put_special_token(tokenizer, "eos", False)
    put_special_token(tokenizer, "bos", True)
    assert tokenizer.convert_ids_to_tokens(tokenizer("milk")["input_ids"]) == ["<s>", "food", "milk"]


def test_a_tokenizer_whose_class_sets_its_special_tokens_itself_is_refused():
    vocabulary = {token: number for number, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a"])}
    tokenizer = RobertaTokenizerFast(vocab=vocabulary, merges=[])
    assert has_special_token(tokenizer, "bos")
    with pytest.raises(DenseflowError, match=r"contract\.add_bos: false, but RobertaTokenizer sets .* itself"):
        put_special_token(tokenizer, "bos", False)


@pytest.mark.parametrize("kind", [LlamaTokenizerFast, Qwen2TokenizerFast, GPT2TokenizerFast, GemmaTokenizerFast])
def test_the_tokenizers_of_the_usual_decoders_keep_bos_and_eos(kind):
    words = ["<s>", "</s>", "<unk>", "<pad>", "a"]
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    tokenizer = kind(vocab={word: number for number, word in enumerate(words)}, merges=[], **names)
    for which in ("bos", "eos"):
        for wanted in (True, False, True):
            put_special_token(tokenizer, which, wanted)
            assert has_special_token(tokenizer, which) == wanted


def test_a_plain_folder_of_a_decoder_needs_a_pooling(tmp_path):
    with pytest.raises(DenseflowError, match=r"contract\.pooling .* for a decoder, lasttoken"):
        prepare({"path": str(make_tiny_bert(tmp_path / "plain"))}, {}, tmp_path / "out", tmp_path / "r.json")
