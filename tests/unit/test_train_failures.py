"""What training refuses, and what it warns of."""

import json
import logging

import pytest
import torch
from tiny_training import RECIPE, make_base, make_training_file, run

from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.train.losses.infonce import InfoNCE


@pytest.mark.parametrize("micro_batch", [None, 4])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_and_writes_no_model(
    value, micro_batch, base, training_file, tmp_path, monkeypatch
):
    loss = InfoNCE.__call__
    monkeypatch.setattr(InfoNCE, "__call__", lambda self, *args, **rest: loss(self, *args, **rest) * value)
    with pytest.raises(DenseflowError, match=r"stopped at step 1: the loss is (nan|inf).*Lower recipe.learning_rate"):
        run(base, training_file, tmp_path, micro_batch=micro_batch)
    assert not (tmp_path / "out").exists()


def test_a_gradient_that_is_not_finite_stops_in_the_last_step_too(base, training_file, tmp_path, monkeypatch):
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, gradient):
            return gradient * float("nan")

    loss = InfoNCE.__call__
    monkeypatch.setattr(InfoNCE, "__call__", lambda self, *args, **rest: Broken.apply(loss(self, *args, **rest)))
    with pytest.raises(DenseflowError, match="the gradient norm is nan"):
        run(base, training_file, tmp_path, max_steps=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [{"batch_size": 1}, {"loss": {**RECIPE["loss"], "in_batch_negatives": False}}],
    ids=["batch of one", "no in-batch negatives"],
)
def test_a_recipe_without_any_negative_is_refused(change, base, training_file, tmp_path):
    with pytest.raises(DenseflowError, match="no query has a negative"):
        run(base, training_file, tmp_path, negatives_per_query=0, **change)


def test_few_steps_and_lacking_negatives_are_warned_of(base, tmp_path, caplog):
    training_file = make_training_file(tmp_path / "train.jsonl", negatives=1)
    with caplog.at_level(logging.WARNING, logger="denseflow"):
        out = run(base, training_file, tmp_path, negatives_per_query=2)
    assert "only 3 optimizer steps" in caplog.text
    assert "10 of 10 examples have fewer than 2 negatives" in caplog.text
    assert len(read_manifest(out / "manifest.json")["warnings"]) == 2


def test_the_preflight_line_says_what_is_cut(base, training_file, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="denseflow"):
        out = run(base, training_file, tmp_path, max_steps=1, contract={"query_max_length": 5, "passage_max_length": 5})
    assert "cut are 0.0% of the queries (at 5 tokens) and 100.0% of the passages (at 5 tokens)" in caplog.text
    counts = read_manifest(out / "manifest.json")["counts"]
    assert counts["passages_cut"] == 1.0
    assert counts["queries_cut"] < 1.0


def test_a_base_model_that_was_changed_after_it_was_made_is_refused(training_file, tmp_path):
    base = make_base(tmp_path / "base")
    config = base.parent / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"extra": 1}))
    with pytest.raises(DenseflowError, match=r"config\.json"):
        run(base, training_file, tmp_path)
