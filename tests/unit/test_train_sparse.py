"""A sparse encoder is trained, resumed and scored like a dense one, and its FLOPS weights act."""

import json

import pytest
import several_processes
import torch
from sentence_transformers import SparseEncoder
from sentence_transformers.sparse_encoder.losses import SparseMultipleNegativesRankingLoss, SpladeLoss
from several_processes import Killed
from tiny_sparse import make_sparse_base
from tiny_training import history, make_collection, run, same, weights

from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.splade import is_sparse
from denseflow.train.losses.flops import Flops, flops
from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.targets import Targets
from denseflow.train.trainer import RetrieverTrainer

LOSS = {"name": "infonce", "temperature": 1.0, "in_batch_negatives": True}
FLOPS = {"query_weight": 1e-3, "passage_weight": 1e-3, "warmup_ratio": 0.0}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_sparse_base(tmp_path_factory.mktemp("sparse") / "base")


def targets(queries: int, passages: int) -> Targets:
    drawn = torch.zeros(queries, passages, dtype=torch.bool)
    drawn[range(queries), range(queries)] = True
    return Targets(positive=torch.arange(queries), drawn=drawn, relevant=drawn, positives=drawn)


def test_the_loss_and_its_gradient_are_those_of_sentence_transformers(base):
    torch.manual_seed(0)
    queries, passages = (torch.randn(4, 30).relu().requires_grad_() for _ in range(2))
    ours = Flops(InfoNCE(1.0, similarity="dot"), 0.3, 0.2, warmup_steps=0)(queries, passages, targets(4, 4))
    found = torch.autograd.grad(ours, (queries, passages))

    model = SparseEncoder(str(base.parent / "model"), device="cpu")
    ranking = SparseMultipleNegativesRankingLoss(model, scale=1.0)
    theirs = SpladeLoss(model, ranking, document_regularizer_weight=0.2, query_regularizer_weight=0.3)
    parts = [ranking.compute_loss_from_embeddings([queries, passages], None)]
    parts.append(0.2 * theirs.document_regularizer.compute_loss_from_embeddings(passages))
    parts.append(0.3 * theirs.query_regularizer.compute_loss_from_embeddings(queries))
    expected = torch.autograd.grad(sum(parts), (queries, passages))
    torch.testing.assert_close(ours, sum(parts))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_the_weights_rise_with_the_square_of_the_step():
    loss = Flops(InfoNCE(1.0, similarity="dot"), 0.3, 0.2, warmup_steps=10)
    assert [loss.at(step).risen for step in (0, 1, 5, 10, 99)] == [0.0, pytest.approx(0.01), 0.25, 1.0, 1.0]
    texts = torch.ones(2, 3)
    plain = loss.loss(texts, texts, targets(2, 2))
    assert loss.at(0)(texts, texts, targets(2, 2)) == plain
    price = 0.3 * flops(texts) + 0.2 * flops(texts)
    torch.testing.assert_close(loss.at(5)(texts, texts, targets(2, 2)), plain + 0.25 * price)


def trained(base, training_file, folder, **changes):
    changes = {"loss": LOSS, "flops": FLOPS, "max_steps": 3, **changes}
    return run(base, training_file, folder, **changes)


@pytest.fixture(scope="module")
def plain(base, training_file, tmp_path_factory):
    """The results of three steps."""
    return trained(base, training_file, tmp_path_factory.mktemp("plain"))


def test_a_trained_sparse_encoder_is_one_again_and_its_log_counts_terms(plain):
    assert is_sparse(load_encoder(plain / "model"))
    SparseEncoder(str(plain / "model"), device="cpu").encode_query(["what is milk"])
    line = history(plain)[-1]
    assert {"query_terms", "passage_terms", "query_flops", "passage_flops", "flops_risen"} <= line.keys()
    assert json.loads((plain / "manifest.json").read_text())["recipe"]["flops"] == FLOPS


def test_the_chance_loss_has_the_price_of_the_terms_in_it_as_the_loss_has(base, training_file, plain, tmp_path):
    dear = trained(base, training_file, tmp_path, flops={**FLOPS, "passage_weight": 5.0}, max_steps=1)
    one, other = history(plain)[0], history(dear)[0]
    assert other["loss"] - one["loss"] > 1e-3
    assert other["chance_loss"] - one["chance_loss"] == pytest.approx(other["loss"] - one["loss"], rel=1e-3)


@pytest.mark.parametrize("key", ["query_weight", "passage_weight", "warmup_ratio"])
def test_each_option_of_flops_changes_the_weights(base, training_file, plain, tmp_path, key):
    changed = trained(base, training_file, tmp_path, flops={**FLOPS, key: 0.9})
    assert not same(weights(plain), weights(changed))


def test_higher_weights_leave_fewer_terms(base, training_file, tmp_path):
    ends = []
    for price in (0.0, 1.0):
        options = {**FLOPS, "query_weight": price, "passage_weight": price}
        folder = tmp_path / str(price)
        out = trained(base, training_file, folder, flops=options, max_steps=12, learning_rate=1e-2)
        ends.append(history(out)[-1]["passage_terms"])
    assert ends[1] < 0.7 * ends[0]


def test_a_training_that_leaves_no_terms_is_stopped_and_says_what_to_lower(base, training_file, tmp_path):
    options = {"query_weight": 1e4, "passage_weight": 1e4, "warmup_ratio": 0.0}
    with pytest.raises(DenseflowError, match=r"no queries have had a term left.*weights in recipe\.flops"):
        trained(base, training_file, tmp_path, flops=options, max_steps=60, learning_rate=0.1)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_grad_cache_gives_the_same_weights(base, training_file, plain, tmp_path):
    # Pieces of 32 texts hold the whole batch, so that dropout is the same.
    one, other = weights(plain), weights(trained(base, training_file, tmp_path, micro_batch=32))
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"encoders": "separate"},
        {"encoders": "query_only"},
        {"weights": "lora", "lora": {"rank": 2, "alpha": 4.0, "dropout": 0.0}},
        {"weights": "bitfit"},
        {"frozen_layers": 1},
    ],
    ids=lambda changes: str(next(iter(changes.values()))),
)
def test_encoders_and_weights_are_chosen_as_for_dense_ones(base, training_file, tmp_path, changes):
    out = trained(base, training_file, tmp_path, **changes)
    model = load_encoder(out / "model")
    vectors = [model.encode(["milk and fish"], task=task).to_dense() for task in ("query", "document")]
    assert torch.equal(*vectors) != ("encoders" in changes)


def test_it_is_scored_on_dev_while_it_is_trained_and_the_best_is_kept(base, training_file, tmp_path):
    dev = make_collection(tmp_path / "dev")
    evaluate = {"split": "dev", "measure": "nDCG@10", "every_steps": 1, "keep_best": True}
    out = trained(base, training_file, tmp_path / "out", evaluate=evaluate, evaluation=dev)
    looks = [line["dev/nDCG@10"] for line in history(out) if "dev/nDCG@10" in line]
    assert len(looks) == 4
    assert all(0 <= look <= 1 for look in looks)


def test_an_interrupted_training_ends_with_the_same_weights(base, training_file, tmp_path, monkeypatch):
    changes = {"max_steps": 6, "flops": {**FLOPS, "warmup_ratio": 0.8}}
    whole = trained(base, training_file, tmp_path / "whole", **changes)
    step, count = RetrieverTrainer.training_step, iter(range(4))

    def counting(*rest):
        if next(count, None) is None:
            raise Killed
        return step(*rest)

    with monkeypatch.context() as patch:
        patch.setattr(RetrieverTrainer, "training_step", counting)
        with pytest.raises(Killed):
            trained(base, training_file, tmp_path / "stopped", checkpoint_steps=2, **changes)
    out = trained(base, training_file, tmp_path / "stopped", checkpoint_steps=2, **changes)
    assert same(weights(out), weights(whole))
    assert [line["flops_risen"] for line in history(out)] == [line["flops_risen"] for line in history(whole)]


def test_two_processes_train_what_one_does(base, training_file, plain, tmp_path, together):
    cases = {"sparse": {"loss": LOSS, "flops": FLOPS, "max_steps": 3}}
    given = {"base": base, "training_file": training_file, "folder": tmp_path, "cases": cases}
    together(several_processes.train_each, given, tmp_path / "launch")
    one, two = weights(plain), weights(tmp_path / "sparse.whole")
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-4)
