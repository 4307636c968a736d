"""The folders of DPR's own encoders give the vectors that transformers' DPR classes give."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tiny_dpr import CLASSES, make_dpr
from tiny_training import history, run, weights
from transformers import BertTokenizerFast

from denseflow.collection import read_queries
from denseflow.config.sources.dpr import DprSource
from denseflow.dataset.export import export
from denseflow.dpr.training import write_training
from denseflow.errors import DenseflowError
from denseflow.negatives.mine import mine
from denseflow.negatives.training_file import read_training_file
from denseflow.train.pretrained import prepare

WORDS = ["diet", "fruit", "meat", "milk", "fish", "heart", "blood", "cell", "array", "matrix"]
TEXTS = ["the effect of diet on the risk of heart disease", "which fish is in milk"]


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


def questions(path: Path) -> Path:
    """Write ten questions in DPR's JSON, each with a passage and one of BM25's hard negatives."""
    rows = [
        {
            "question": f"what is {word}",
            "answers": [word],
            "positive_ctxs": [context(f"p{number}", f"{word} is in the study")],
            "hard_negative_ctxs": [context(f"h{number}", f"what is not the {word}")],
            "negative_ctxs": [],
        }
        for number, word in enumerate(WORDS)
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def context(id_: str, text: str) -> dict[str, str]:
    return {"passage_id": id_, "title": "title", "text": text}


def test_dpr_s_files_and_encoders_go_through_training_and_back_into_dpr_s_form(tmp_path):
    source = {"type": "dpr", "splits": {"train": {"path": str(questions(tmp_path / "train.json"))}}, "titles": False}
    held_out = {"dev": {"of": "train", "share": 0.2}}
    checked = DprSource.model_validate({**source, "held_out": held_out})
    collection = tmp_path / "collection"
    export(checked.model_dump(exclude_none=True), collection)
    mining = {"sources": [{"type": "given", "count": 1, "first": 1}], "seed": 0, "min_level": 1}
    mine(collection / "manifest.json", "train", mining, {}, tmp_path / "mined")
    training_file = tmp_path / "mined" / "train.jsonl"
    assert len(read_training_file(training_file).examples) == 8
    assert len(read_queries(collection / "queries.dev.jsonl")) == 2

    pair = {"path": str(make_dpr(tmp_path / "q", "question"))}
    pair["passage"] = {"path": str(make_dpr(tmp_path / "p", "passage", seed=1))}
    ours(tmp_path / "base", pair)
    looks = {"split": "dev", "measure": "nDCG@10", "keep_best": True, "every_steps": 2}
    out = run(
        tmp_path / "base" / "manifest.json",
        training_file,
        tmp_path,
        encoders="separate",
        epochs=4.0,
        evaluate=looks,
        evaluation=collection / "manifest.json",
    )
    scored = [line["step"] for line in history(out) if "dev/nDCG@10" in line]
    assert scored == [0, 2, 4, 6, 8]
    before, after = weights(tmp_path / "base"), weights(out)
    for route in ("query", "document"):
        names = [name for name in before if name.startswith(route) and name.endswith("output.dense.weight")]
        assert names
        assert all(not torch.equal(before[name], after[name]) for name in names)

    write_training(training_file, None, tmp_path / "written.json")
    export({**source, "splits": {"train": {"path": str(tmp_path / "written.json")}}}, tmp_path / "again")
    texts = set(read_queries(tmp_path / "again" / "queries.train.jsonl").values())
    assert texts == set(read_queries(collection / "queries.train.jsonl").values())
