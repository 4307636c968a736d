"""BERTs of Japanese: words are found by MeCab with a dictionary, which must be that of the training."""

import json
from inspect import signature
from pathlib import Path

import pytest
import torch
from tiny_training import run, weights
from transformers import BertConfig, BertModel
from transformers.models.bert_japanese.tokenization_bert_japanese import MecabTokenizer

from denseflow.collection import Document
from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl
from denseflow.manifest import read_manifest
from denseflow.report.data.tokens import Reader, cuts
from denseflow.token_rows import tokenize_rows
from denseflow.train.pretrained import prepare

WORDS = ["吾輩", "は", "猫", "で", "ある", "。", "東京", "タワー", "に", "行く"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *(f"##{word}" for word in WORDS)]
IPADIC = {"mecab_kwargs": {"mecab_dic": "ipadic"}}
LENGTHS = {"query_max_length": 16, "passage_max_length": 16}
CONTRACT = {"pooling": "cls", "normalize": True, "similarity": "cosine", **LENGTHS}


def make_japanese_bert(folder: Path) -> Path:
    """Write a random BERT with the files that the hub's Japanese BERTs have."""
    folder.mkdir()
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(BertConfig(vocab_size=len(VOCABULARY), **sizes), add_pooling_layer=False).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    settings = {"do_lower_case": False, "word_tokenizer_type": "mecab", "subword_tokenizer_type": "wordpiece"}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertJapaneseTokenizer", "model_max_length": 64, **settings})
    )
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The manifest of a tiny Japanese BERT that was laid down with its dictionary."""
    folder = tmp_path_factory.mktemp("japanese")
    source = {"path": str(make_japanese_bert(folder / "source")), "tokenizer": IPADIC}
    prepare(source, CONTRACT, folder / "out", folder / "revisions.json")
    return folder / "out" / "manifest.json"


def test_words_are_those_of_the_dictionary_that_the_model_s_file_names(bert):
    rows, _ = tokenize_rows(load_encoder(bert.parent / "model"), ["吾輩は猫である。", "東京タワーに行く。"], "query")
    words = [[VOCABULARY[token] for token in row["input_ids"]] for row in rows]
    assert words == [
        ["[CLS]", "吾輩", "は", "猫", "で", "ある", "。", "[SEP]"],
        ["[CLS]", "東京", "タワー", "に", "行く", "。", "[SEP]"],
    ]
    assert read_manifest(bert)["source"]["tokenizer"] == IPADIC
    saved = json.loads((bert.parent / "model" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert saved["mecab_kwargs"] == IPADIC["mecab_kwargs"]


def test_the_page_on_a_collection_counts_tokens_as_such_a_model_does(bert):
    documents = [Document("d", "", "吾輩は猫である。" * 3), Document("e", "", "東京タワーに行く。")]
    (found,) = cuts(Reader(["bert"], bert, {}), documents, {})
    assert (found.tokens, found.longest, found.cut, found.lost) == (20 + 7, 20, 1, 4)


def test_without_a_dictionary_named_the_default_of_transformers_holds_which_is_not_ipadic(tmp_path):
    assert signature(MecabTokenizer).parameters["mecab_dic"].default == "unidic_lite"
    source = {"path": str(make_japanese_bert(tmp_path / "source"))}
    with pytest.raises(DenseflowError, match="cannot be loaded"):  # unidic_lite is not installed
        prepare(source, CONTRACT, tmp_path / "out", tmp_path / "revisions.json")


def test_a_japanese_bert_is_trained_on_sentences(bert, tmp_path):
    texts = ["吾輩は猫である。", "東京タワーに行く。", "猫は東京に行く。", "吾輩に猫。"]
    rows = (
        {"query_id": f"s{n}", "query": text, "positive_passages": [{"docid": f"s{n}", "title": "", "text": text}]}
        for n, text in enumerate(texts)
    )
    write_jsonl(tmp_path / "train.jsonl", rows)
    loss = {"name": "mixcse", "temperature": 0.05, "mix": 0.2}
    out = run(bert, tmp_path / "train.jsonl", tmp_path, loss=loss, negatives_per_query=0, max_steps=2, dropout=0.1)
    assert all(torch.isfinite(tensor).all() for tensor in weights(out).values())
    rows, _ = tokenize_rows(load_encoder(out / "model"), texts[:1], "query")
    assert len(rows[0]["input_ids"]) == 8
