"""The folders of DPR's own encoders give the vectors that transformers' DPR classes give."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tiny import VOCABULARY
from transformers import BertTokenizerFast, DPRConfig, DPRContextEncoder, DPRQuestionEncoder, DPRReader

from denseflow.errors import DenseflowError
from denseflow.train.pretrained import prepare

TEXTS = ["the effect of diet on the risk of heart disease", "which fish is in milk"]
CLASSES = {"question": DPRQuestionEncoder, "passage": DPRContextEncoder, "reader": DPRReader}


def make_dpr(folder: Path, kind: str, projection: int = 0, seed: int = 0) -> Path:
    """Write a random model of DPR's as the hub has them, and return the folder."""
    config = DPRConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
        projection_dim=projection,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        CLASSES[kind](config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    return folder


def theirs(folder: Path, kind: str) -> np.ndarray:
    """What transformers' own class gives for the texts, one by one."""
    tokenizer, model = BertTokenizerFast.from_pretrained(folder), CLASSES[kind].from_pretrained(folder).eval()
    with torch.inference_mode():
        rows = [model(**tokenizer(text, return_tensors="pt")).pooler_output[0].numpy() for text in TEXTS]
    return np.stack(rows)


def ours(folder: Path, source: dict, contract: dict | None = None) -> SentenceTransformer:
    prepare(source, contract or {}, folder, folder.parent / "revisions.json")
    return SentenceTransformer(str(folder / "model"), device="cpu")


@pytest.mark.parametrize("projection", [0, 12])
@pytest.mark.parametrize("kind", ["question", "passage"])
def test_each_of_dpr_s_encoders_gives_its_own_vectors(tmp_path, kind, projection):
    source = make_dpr(tmp_path / "source", kind, projection)
    model = ours(tmp_path / "result", {"path": str(source)})
    np.testing.assert_allclose(model.encode(TEXTS), theirs(source, kind), rtol=1e-5, atol=1e-5)
    assert model.similarity_fn_name == "dot"


def test_question_and_passage_encoder_are_joined(tmp_path):
    question, passage = make_dpr(tmp_path / "q", "question"), make_dpr(tmp_path / "p", "passage", seed=1)
    source = {"path": str(question), "passage": {"path": str(passage)}}
    model = ours(tmp_path / "result", source, {"query_max_length": 32, "passage_max_length": 48})
    np.testing.assert_allclose(model.encode_query(TEXTS), theirs(question, "question"), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.encode_document(TEXTS), theirs(passage, "passage"), rtol=1e-5, atol=1e-5)
    manifest = json.loads((tmp_path / "result" / "manifest.json").read_text())
    assert manifest["contract"] | {"pooling": "cls", "normalize": False, "similarity": "dot"} == manifest["contract"]
    assert (manifest["contract"]["query_max_length"], manifest["contract"]["passage_max_length"]) == (32, 48)


def test_weights_that_older_files_hold_and_no_vector_needs_are_left_out(tmp_path):
    source = make_dpr(tmp_path / "source", "question")
    weights = load_file(source / "model.safetensors")
    plain = theirs(source, "question")
    extra = {"pooler.dense.weight": torch.ones(32, 32), "embeddings.position_ids": torch.arange(64)}
    pickled = {**weights, **{f"question_encoder.bert_model.{name}": value for name, value in extra.items()}}
    (source / "model.safetensors").unlink()
    torch.save(pickled, source / "pytorch_model.bin")
    model = ours(tmp_path / "result", {"path": str(source)})
    np.testing.assert_allclose(model.encode(TEXTS), plain, rtol=1e-5, atol=1e-5)


def test_dpr_s_reader_is_refused(tmp_path):
    source = make_dpr(tmp_path / "source", "reader")
    with pytest.raises(DenseflowError, match="holds span_predictor, expected question_encoder or ctx_encoder"):
        ours(tmp_path / "result", {"path": str(source)})


@pytest.mark.parametrize("missing", ["bert_model.encoder.layer.1.output.dense.weight", "encode_proj.bias"])
def test_an_encoder_whose_files_lack_weights_is_refused(tmp_path, missing):
    source = make_dpr(tmp_path / "source", "question", projection=12)
    weights = load_file(source / "model.safetensors")
    del weights[f"question_encoder.{missing}"]
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DenseflowError, match=r"weights are not in its files|hold no such layer"):
        ours(tmp_path / "result", {"path": str(source)})
