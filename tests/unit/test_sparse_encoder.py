"""Sparse encoders: made, loaded, and encoded as sentence-transformers does it."""

import json
import shutil

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sentence_transformers import SparseEncoder
from sentence_transformers.base.modules import Router
from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling
from tiny import make_tiny_model
from tiny_sparse import make_sparse_base, make_tiny_mlm
from tiny_training import make_collection

from denseflow.encode.encode import encode_corpus, encode_queries
from denseflow.encode.sparse import encode_sparse_texts
from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.sparse_vectors import ENTRY, from_dense, from_entries, to_entries
from denseflow.splade import is_sparse
from denseflow.train.pretrained import prepare
from denseflow.train.sparse_encoder.pretrained import prepare_sparse_encoder

TEXTS = ["what is the risk of meat", "heart disease", "vitamin", "milk and fish for women", "a study"] * 3


@pytest.fixture(scope="module")
def sparse_base(tmp_path_factory):
    return make_sparse_base(tmp_path_factory.mktemp("sparse") / "base")


@pytest.fixture(scope="module")
def model(sparse_base):
    return load_encoder(sparse_base.parent / "model")


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    return make_collection(tmp_path_factory.mktemp("collection"))


def test_a_masked_language_model_becomes_an_ordinary_sparse_encoder_folder(sparse_base, model):
    assert is_sparse(model)
    facts = json.loads(sparse_base.read_text())
    assert facts["kind"] == "sparse_encoder"
    assert facts["contract"]["similarity"] == "dot"
    assert facts["dimensions"] == len(model.tokenizer)
    ordinary = SparseEncoder(str(sparse_base.parent / "model"), device="cpu")
    assert [type(module).__name__ for module in ordinary] == ["Transformer", "SpladePooling"]


@pytest.mark.parametrize("batch_tokens", [8, 64, None])
def test_vectors_are_those_of_sentence_transformers_whatever_the_batches(sparse_base, model, batch_tokens):
    ordinary = SparseEncoder(str(sparse_base.parent / "model"), device="cpu")
    expected = ordinary.encode_document(TEXTS, convert_to_sparse_tensor=False).numpy()
    found = encode_sparse_texts(model, TEXTS, "passage", batch_tokens=batch_tokens)
    assert isinstance(found, csr_array)
    assert 0 < found.nnz < 0.9 * found.shape[0] * found.shape[1]
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
def test_pooling_has_the_values_and_gradients_of_sentence_transformers(model, activation):
    torch.manual_seed(0)
    logits, mask = torch.randn(3, 7, 11), torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] + [0] * 6])
    ours = model[1].forward.__class__(SpladePooling("max", activation_function=activation))
    theirs = SpladePooling("max", activation_function=activation).train()
    results = []
    for pool in (ours, theirs):
        leaf = logits.clone().requires_grad_()
        vectors = pool({"token_embeddings": leaf * 1, "attention_mask": mask})["sentence_embedding"]
        (vectors * torch.arange(11)).sum().backward()
        results.append((vectors.detach(), leaf.grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)
    with torch.inference_mode():
        again = model[1].forward.__class__(SpladePooling("max", activation_function=activation))
        vectors = again({"token_embeddings": logits.clone(), "attention_mask": mask})["sentence_embedding"]
    torch.testing.assert_close(vectors, results[0][0])


def test_a_dense_model_is_refused_as_a_sparse_encoder(tmp_path):
    dense = make_tiny_model(tmp_path / "dense")
    with pytest.raises(DenseflowError, match="no sparse encoder, but one whose vectors are dense"):
        prepare_sparse_encoder({"path": str(dense)}, {}, tmp_path / "out", tmp_path / "revisions.json")


def test_an_encoder_that_looks_the_weights_of_queries_up_is_refused(model, tmp_path):
    queries, passages = [SparseStaticEmbedding(tokenizer=model.tokenizer)], list(model)
    route = Router.for_query_document(query_modules=queries, document_modules=passages)
    SparseEncoder(modules=[route], similarity_fn_name="dot").save_pretrained(str(tmp_path / "static"))
    with pytest.raises(DenseflowError, match=r"static.*its queries or its passages pass through no transformer"):
        prepare_sparse_encoder({"path": str(tmp_path / "static")}, {}, tmp_path / "x", tmp_path / "r.json")


def test_a_folder_without_the_head_for_masked_words_is_refused(tmp_path):
    from tiny import make_tiny_bert

    plain = make_tiny_bert(tmp_path / "bert")
    with pytest.raises(DenseflowError, match="weights are not in its files and would be random"):
        prepare_sparse_encoder({"path": str(plain)}, {}, tmp_path / "out", tmp_path / "revisions.json")


def test_two_sparse_encoders_become_one_with_separate_sides(tmp_path):
    folders = [make_tiny_mlm(tmp_path / f"mlm{seed}", seed=seed) for seed in (0, 1)]
    source = {"path": str(folders[0]), "passage": {"path": str(folders[1])}}
    prepare_sparse_encoder(source, {}, tmp_path / "two", tmp_path / "revisions.json")
    two = load_encoder(tmp_path / "two" / "model")
    query, passage = (encode_sparse_texts(two, TEXTS[:2], kind).toarray() for kind in ("query", "passage"))
    assert np.abs(query - passage).max() > 0.1
    prepare_sparse_encoder({"path": str(folders[1])}, {}, tmp_path / "one", tmp_path / "revisions.json")
    alone = encode_sparse_texts(load_encoder(tmp_path / "one" / "model"), TEXTS[:2], "passage").toarray()
    np.testing.assert_allclose(passage, alone, atol=1e-6)


def test_entries_give_the_matrix_back():
    dense = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [3, 0, 0, 0.5]], dtype=np.float32)
    entries = to_entries(from_dense(dense))
    assert entries.dtype == ENTRY
    assert entries.tolist() == [(0, 1, 1.5), (0, 3, 2.0), (2, 0, 3.0), (2, 3, 0.5)]
    np.testing.assert_array_equal(from_entries(entries, (3, 4)).toarray(), dense)
    with pytest.raises(ValueError, match="not sorted"):
        from_entries(entries[::-1], (3, 4))


def test_the_encode_stage_keeps_entries_and_uses_finished_shards_again(sparse_base, collection, tmp_path):
    how = {"granted_gpus": 0, "threads": 1, "shard_size": 16}
    facts = encode_corpus(sparse_base, collection, tmp_path / "one", **how)
    assert [shard["rows"] for shard in facts["shards"]] == [16, 16, 8]
    shards = [np.load(tmp_path / "one" / shard["file"]) for shard in facts["shards"]]
    assert {shard.dtype for shard in shards} == {ENTRY}
    assert facts["nonzeros"] == sum(map(len, shards)) > 0

    (tmp_path / "one/corpus.manifest.json").unlink()
    (tmp_path / "one/corpus/00001.npy").unlink()
    kept = (tmp_path / "one/corpus/00000.npy").stat().st_mtime_ns
    again = encode_corpus(sparse_base, collection, tmp_path / "one", **how)
    assert again["files"] == facts["files"]
    assert (tmp_path / "one/corpus/00000.npy").stat().st_mtime_ns == kept

    queries = encode_queries(sparse_base, collection, tmp_path / "one", split="dev", granted_gpus=0, threads=1)
    assert queries["nonzeros"] == len(np.load(tmp_path / "one/queries.dev.npy"))


def test_a_sparse_encoder_is_refused_as_a_dense_one(sparse_base, tmp_path):
    source = {"path": str(sparse_base.parent / "model")}
    with pytest.raises(DenseflowError, match="set `kind: sparse_encoder` in the model's file"):
        prepare(source, {}, tmp_path / "out", tmp_path / "revisions.json")


def test_a_folder_as_older_versions_wrote_it_is_read(sparse_base, model, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(sparse_base.parent / "model", old)
    modules = json.loads((old / "modules.json").read_text())
    for module, name in zip(modules, ("MLMTransformer", "SpladePooling"), strict=True):
        module["type"] = f"sentence_transformers.sparse_encoder.models.{name}"
    (old / "modules.json").write_text(json.dumps(modules))
    (old / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": False}))
    pooling = {"pooling_strategy": "max", "activation_function": "relu", "word_embedding_dimension": None}
    (old / "1_SpladePooling/config.json").write_text(json.dumps(pooling))
    prepare_sparse_encoder({"path": str(old)}, {}, tmp_path / "out", tmp_path / "revisions.json")
    found = encode_sparse_texts(load_encoder(tmp_path / "out/model"), TEXTS[:2], "query").toarray()
    np.testing.assert_allclose(found, encode_sparse_texts(model, TEXTS[:2], "query").toarray(), atol=1e-6)
