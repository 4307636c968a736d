"""Each option of a recipe changes what it says it changes."""

import logging
import math

import pytest
import torch
from sentence_transformers import SentenceTransformer
from tiny_training import RECIPE, history, run, same, weights

from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.train.arguments import count_steps, training_arguments
from denseflow.train.batches import Batches
from denseflow.train.dropout import set_dropout


@pytest.fixture(scope="module")
def plain(base, training_file, tmp_path_factory):
    """The results of the recipe as it stands."""
    return run(base, training_file, tmp_path_factory.mktemp("plain"))


def difference(one, other):
    """The largest difference of two sets of weights.

    The biases of the keys are left out: their gradient is 0, for softmax does not see what is added to all its inputs,
    and Adam makes whole steps of what rounding leaves of it.
    """
    return max(float((one[name] - other[name]).abs().max()) for name in one if not name.endswith("key.bias"))


def close(one, other):
    return difference(one, other) < 1e-4


def test_the_same_seed_twice_gives_the_same_weights_and_manifest_bit_for_bit(base, training_file, plain, tmp_path):
    again = run(base, training_file, tmp_path)
    assert same(weights(again), weights(plain))
    assert (again / "manifest.json").read_bytes() == (plain / "manifest.json").read_bytes()


CHANGES = {
    "temperature": {"loss": {**RECIPE["loss"], "temperature": 0.5}},
    "temperature under GradCache": {"loss": {**RECIPE["loss"], "temperature": 0.5}, "micro_batch": 4},
    "in_batch_negatives": {"loss": {**RECIPE["loss"], "in_batch_negatives": False}},
    "batch_size": {"batch_size": 5},
    "negatives_per_query": {"negatives_per_query": 2},
    "epochs": {"epochs": 2.0},
    "max_steps": {"max_steps": 2},
    "learning_rate": {"learning_rate": 1e-4},
    "warmup_ratio": {"warmup_ratio": 0.5},
    "weight_decay": {"weight_decay": 0.5},
    "schedule": {"schedule": "constant"},
    "cosine schedule": {"schedule": "cosine"},
    "max_grad_norm": {"max_grad_norm": 1e-5},
    "accumulation": {"accumulation": 2},
    "precision": {"precision": "bf16"},
    "positive": {"positive": "first"},
    "positives_per_query": {"positives_per_query": 2},
    "queries_per_passage": {"queries_per_passage": 2},
    "dropout": {"dropout": 0.0},
    "seed": {"seed": 1},
    "contract.query_prefix": {"contract": {"query_prefix": "what "}},
    "contract.passage_max_length": {"contract": {"passage_max_length": 4}},
    "contract.pooling": {"contract": {"pooling": "cls"}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_each_option_changes_the_weights(change, base, training_file, plain, tmp_path):
    assert not close(weights(run(base, training_file, tmp_path, **change)), weights(plain))


def test_every_positive_changes_the_weights_of_the_same_batches(base, training_file, tmp_path):
    batches = {"batch_size": 20, "positives_per_query": 2, "negatives_per_query": 0}
    one = weights(run(base, training_file, tmp_path / "one", **batches))
    every = {**RECIPE["loss"], "every_positive": True}
    assert not close(one, weights(run(base, training_file, tmp_path / "every", loss=every, **batches)))


def test_query_prefix_and_lengths_are_saved_with_the_model(base, training_file, tmp_path):
    out = run(base, training_file, tmp_path, contract={"query_prefix": "what ", "query_max_length": 7})
    model = SentenceTransformer(str(out / "model"), device="cpu")
    assert model.prompts["query"] == "what "
    assert read_manifest(out / "manifest.json")["contract"]["query_max_length"] == 7
    expected = load_encoder(out / "model").encode(["what what is diet"])
    assert abs(model.encode_query(["what is diet"]) - expected).max() < 1e-6


@pytest.mark.parametrize("change", [{}, {"accumulation": 2}, {"precision": "bf16"}], ids=str)
@pytest.mark.parametrize("micro_batch", [32, 100])
def test_grad_cache_changes_no_result_beyond_floating_point_with_dropout_on(
    change, micro_batch, base, training_file, tmp_path
):
    whole = weights(run(base, training_file, tmp_path / "whole", batch_size=10, **change))
    cached = weights(run(base, training_file, tmp_path / "cached", batch_size=10, micro_batch=micro_batch, **change))
    assert difference(whole, cached) < (5e-3 if "precision" in change else 1e-4)


def test_without_dropout_any_micro_batch_changes_no_result_beyond_floating_point(base, training_file, tmp_path):
    results = [
        weights(run(base, training_file, tmp_path / str(size), dropout=0.0, micro_batch=size)) for size in (None, 1, 3)
    ]
    assert close(results[0], results[1])
    assert close(results[0], results[2])


def test_accumulated_batches_give_the_step_of_one_batch(base, training_file, tmp_path):
    alone = {"loss": {**RECIPE["loss"], "in_batch_negatives": False}, "dropout": 0.0}
    one = weights(run(base, training_file, tmp_path / "one", batch_size=4, **alone))
    two = weights(run(base, training_file, tmp_path / "two", batch_size=2, accumulation=2, **alone))
    assert close(one, two)


def test_gradient_checkpointing_computes_layers_twice_and_changes_no_result(
    base, training_file, plain, tmp_path, monkeypatch
):
    from transformers.models.bert.modeling_bert import BertSelfAttention

    calls = []
    forward = BertSelfAttention.forward
    monkeypatch.setattr(BertSelfAttention, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    run(base, training_file, tmp_path / "plain")
    once = len(calls)
    out = run(base, training_file, tmp_path / "checkpointed", gradient_checkpointing=True)
    assert len(calls) - once == 2 * once
    assert close(weights(out), weights(plain))


def test_fp16_on_a_cpu_trains_in_fp32_and_says_so(base, training_file, plain, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="denseflow"):
        out = run(base, training_file, tmp_path, precision="fp16")
    assert "fp16, which needs a GPU" in caplog.text
    assert read_manifest(out / "manifest.json")["precision"] == "fp32"
    assert same(weights(out), weights(plain))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schedule": "linear", "warmup_ratio": 0.25}, [0, 0.5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        ({"schedule": "constant", "warmup_ratio": 0.25}, [0, 0.5, 1, 1, 1, 1, 1, 1]),
        (
            {"schedule": "cosine", "warmup_ratio": 0.0},
            [0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)],
        ),
    ],
)
def test_the_learning_rate_goes_as_schedule_and_warm_up_say(change, expected, base, training_file, tmp_path):
    lines = history(run(base, training_file, tmp_path, max_steps=8, **change))
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert [line["learning_rate"] for line in lines] == pytest.approx([1e-3 * share for share in expected])


def test_the_history_has_loss_speed_gradient_norm_and_the_share_masked(base, training_file, tmp_path):
    (line, *_) = history(run(base, training_file, tmp_path, batch_size=10, positives_per_query=2, max_steps=1))
    of_the_trainer = {"step", "epoch", "loss", "learning_rate", "grad_norm", "sequences_per_second"}
    of_the_space = {"passage_cosine", "passage_cosine_spread", "chance_loss"}
    assert set(line) == {*of_the_trainer, *of_the_space, "masked_negatives"}
    assert 0 < line["masked_negatives"] < 0.2
    assert line["epoch"] == 0.5


def test_the_step_counts_of_epochs_parts_of_epochs_and_max_steps():
    for change, expected in [
        ({"epochs": 3.0}, 15),
        ({"epochs": 0.5}, 3),
        ({"epochs": 3.0, "max_steps": 7}, 7),
        ({"epochs": 2.0, "accumulation": 2}, 6),
    ]:
        assert count_steps({**RECIPE, **change}, batches_per_epoch=5) == expected


def test_weight_decay_is_for_all_weights_but_biases_and_layer_norms(base, tmp_path):
    from transformers import Trainer

    model = load_encoder(base.parent / "model")
    arguments = training_arguments(
        {**RECIPE, "weight_decay": 0.5}, steps=1, precision="fp32", device="cpu", seed=0, work=tmp_path
    )
    optimizer = Trainer(model=model, args=arguments).create_optimizer()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {
        group["weight_decay"]: {names[id(parameter)] for parameter in group["params"]}
        for group in optimizer.param_groups
    }
    assert groups.keys() == {0.5, 0.0}
    assert groups[0.0] == {name for name in names.values() if "bias" in name or "LayerNorm" in name}
    assert len(groups[0.0]) > 10
    assert groups[0.5] | groups[0.0] == set(names.values())


def test_dropout_is_set_everywhere_and_not_saved(base, training_file, tmp_path):
    model = load_encoder(base.parent / "model").train()
    set_dropout(model, 0.0)
    assert abs(model.encode(["milk"]) - model.train().encode(["milk"])).max() == 0
    torch.manual_seed(0)
    features = model.preprocess(["milk and diet"])
    one = model.train()(dict(features))["sentence_embedding"]
    assert torch.equal(one, model(dict(features))["sentence_embedding"])
    set_dropout(model, 0.4)
    assert not torch.equal(one, model(dict(features))["sentence_embedding"])
    out = run(base, training_file, tmp_path, dropout=0.4, max_steps=1)
    assert (out / "model" / "config.json").read_text() == (base.parent / "model" / "config.json").read_text()


def test_dropout_of_a_model_that_has_none_is_refused():
    with pytest.raises(DenseflowError, match=r"recipe.dropout: 0.1, but the model has no dropout"):
        set_dropout(torch.nn.Sequential(torch.nn.Linear(2, 2)), 0.1)


def test_the_work_folder_goes_when_the_results_are_whole(base, training_file, tmp_path):
    run(base, training_file, tmp_path, checkpoint_steps=1)
    assert not (tmp_path / "work").exists()


def test_each_epoch_is_trained_on_its_own_draws(base, training_file, tmp_path, monkeypatch):
    seen = []
    collate = Batches.__call__
    monkeypatch.setattr(Batches, "__call__", lambda self, draws: seen.extend(draws) or collate(self, draws))
    run(base, training_file, tmp_path, epochs=3.0)
    assert [draw.epoch for draw in seen] == [0] * 10 + [1] * 10 + [2] * 10
