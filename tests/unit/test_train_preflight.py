"""What is said before the first step: facts, warnings, and an estimate of time and memory that changes nothing."""

import json
import logging
import re
import time
from types import SimpleNamespace

import pytest
import torch
from tiny_training import RECIPE, make_training_file, run, same, weights

from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.train.cautions import Cut, cautions, has_in_batch_negatives
from denseflow.train.resumable import ResumableTrainer
from denseflow.train.trial import Estimate, in_words


def preflight_of(out):
    return json.loads((out / "preflight.json").read_text())


def test_the_facts_are_printed_and_kept(base, tmp_path, caplog):
    training_file = make_training_file(tmp_path / "train.jsonl", negatives=3, positives=2)
    with caplog.at_level(logging.INFO, logger="denseflow"):
        out = run(base, training_file, tmp_path, epochs=4.0, warmup_ratio=0.25, accumulation=2)
    facts = preflight_of(out)["facts"]
    learning = facts["trained_parameters"]
    assert learning == sum(parameter.numel() for parameter in weights(out).values())
    two, three = (dict.fromkeys(("min", "q25", "median", "q75", "max"), count) for count in (2, 3))
    assert facts == {
        "steps": 8, "warmup_steps": 2, "epochs": 4.0, "queries_per_step": 8, "examples": 10, "passages": 50,
        "draws_per_epoch": 10, "positives_per_query": two, "negatives_per_query": three,
        "examples_lacking_negatives": 0, "parameters": learning, "trained_parameters": learning,
        "queries_cut": 0.0, "passages_cut": 0.0,
    }  # fmt: skip
    assert "8 steps of 8 queries (4 epochs, 2 steps of warm-up), 10 examples, 50 passages" in caplog.text
    assert "positives a query: 2 to 2, median 2; negatives a query: 3 to 3, median 3" in caplog.text
    manifest = read_manifest(out / "manifest.json")
    assert manifest["counts"] == facts
    assert manifest["warnings"] == preflight_of(out)["warnings"]
    assert "preflight.json" not in manifest["files"]


def test_an_estimate_of_time_and_memory_is_said_and_kept_before_the_first_step(
    base, training_file, tmp_path, caplog, monkeypatch
):
    said_before = []
    step = ResumableTrainer.training_step

    def note(self, *args):
        said_before.append("GB of memory" in caplog.text)
        if not said_before[-1]:
            time.sleep(0.05)
        return step(self, *args)

    monkeypatch.setattr(ResumableTrainer, "training_step", note)
    with caplog.at_level(logging.INFO, logger="denseflow"):
        out = run(base, training_file, tmp_path, max_steps=50, trial=True)
    assert said_before == [False] * 2 + [True] * 50
    estimate = preflight_of(out)["estimate"]
    parameters = preflight_of(out)["facts"]["parameters"]
    assert estimate["weights_bytes"] == estimate["gradients_bytes"] == 4 * parameters
    assert estimate["optimizer_bytes"] == 8 * parameters
    assert estimate["peak_bytes"] > 16 * parameters
    assert estimate["batches"] == 2
    assert estimate["seconds_per_step"] > 0.05
    assert estimate["seconds"] == pytest.approx(50 * estimate["seconds_per_step"], abs=0.1)


@pytest.mark.parametrize(
    "change", [{}, {"micro_batch": 2, "accumulation": 2}, {"precision": "bf16"}], ids=["plain", "GradCache", "bf16"]
)
def test_the_trial_changes_no_bit_of_the_weights_and_no_line_of_the_log(change, base, training_file, tmp_path):
    random = torch.get_rng_state()
    with_trial = run(base, training_file, tmp_path / "with", trial=True, **change)
    torch.set_rng_state(random)
    without = run(base, training_file, tmp_path / "without", **change)
    assert same(weights(with_trial), weights(without))
    assert (with_trial / "curves.tsv").read_bytes() == (without / "curves.tsv").read_bytes()
    assert (with_trial / "manifest.json").read_bytes() == (without / "manifest.json").read_bytes()


def test_a_resumed_training_makes_no_trial_and_keeps_the_first_estimate(base, training_file, tmp_path, monkeypatch):
    step = ResumableTrainer.training_step
    with monkeypatch.context() as patch:
        patch.setattr(
            ResumableTrainer,
            "training_step",
            lambda self, *args: step(self, *args) if self.state.global_step < 2 else 1 / 0,
        )
        with pytest.raises(ZeroDivisionError):
            run(base, training_file, tmp_path, trial=True, checkpoint_steps=1)
    (kept,) = tmp_path.glob("work/*/preflight.json")
    estimate = json.loads(kept.read_text())
    assert preflight_of(run(base, training_file, tmp_path, trial=True))["estimate"] == estimate


def test_a_batch_that_does_not_fit_is_explained(base, training_file, tmp_path, monkeypatch):
    def too_large(self, *args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")

    monkeypatch.setattr(ResumableTrainer, "training_step", too_large)
    with pytest.raises(DenseflowError, match=r"Tried to allocate 9 GiB.*set run.micro_batch"):
        run(base, training_file, tmp_path, trial=True)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "about 1 seconds"), (780, "about 13 minutes"), (9000, "about 2.5 hours")]
)
def test_an_estimate_reads_as_people_say_it(seconds, words):
    estimate = Estimate(seconds / 456, seconds, 0, 0, 0, 1_900_000_000, 2)
    assert in_words(estimate, 456) == f"{words} for 456 steps, about 1.9 GB of memory"


FACTS = {"steps": 100, "warmup_steps": 10, "examples": 64, "draws_per_epoch": 64, "examples_lacking_negatives": 0}
COSINE, DOT = SimpleNamespace(normalize=True, similarity="cosine"), SimpleNamespace(normalize=False, similarity="dot")
CUT = {"queries": Cut(0.05, 32), "passages": Cut(0.3, 128)}
NORMAL = {**RECIPE, "batch_size": 32, "learning_rate": 2e-5, "warmup_ratio": 0.1}


def test_a_usual_training_has_no_warnings():
    assert cautions(NORMAL, FACTS, COSINE, CUT) == []


@pytest.mark.parametrize(
    ("recipe", "facts", "contract", "cut", "warning"),
    [
        ({}, {"steps": 9, "warmup_steps": 1}, COSINE, {}, "only 9 optimizer steps"),
        ({"warmup_ratio": 0.9}, {"warmup_steps": 90}, COSINE, {}, "rises for 90 of the 100 steps"),
        ({}, {"examples_lacking_negatives": 7}, COSINE, {}, "7 of 64 examples have fewer than 1 negatives"),
        ({"batch_size": 65}, {}, COSINE, {}, "batch_size is 65, but an epoch has 64 queries"),
        ({}, {"draws_per_epoch": 67}, COSINE, {}, "the last batch of each epoch has 3 instead of 32 queries"),
        ({}, {}, COSINE, {"queries": Cut(0.2, 32)}, "20% of the queries are cut at 32 tokens; raise contract.query"),
        ({}, {}, COSINE, {"passages": Cut(0.6, 128)}, "60% of the passages are cut at 128 tokens; raise contract.pass"),
        ({"learning_rate": 2e-3}, {}, COSINE, {}, "learning_rate is 0.002; usual for `weights: all` .* may break"),
        ({"weights": "lora", "learning_rate": 5e-6}, {}, COSINE, {}, "usual for `weights: lora` .* little will be"),
        ({"loss": {"name": "infonce", "temperature": 1.0}}, {}, COSINE, {}, "temperature is 1, and cosines lie"),
        ({"loss": {"name": "infonce", "temperature": 0.05}}, {}, DOT, {}, "temperature is 0.05, and the scores of"),
    ],
)
def test_each_warning_comes_where_it_should(recipe, facts, contract, cut, warning):
    (found,) = cautions({**NORMAL, **recipe}, {**FACTS, **facts}, contract, {**CUT, **cut})
    assert re.search(warning, found)


@pytest.mark.parametrize(
    ("recipe", "facts", "contract"),
    [
        ({"batch_size": 65, "queries_per_passage": 2}, {}, COSINE),
        ({"weights": "lora", "learning_rate": 2e-3}, {}, COSINE),
        ({"loss": {"name": "margin_mse", "scale": 1.0}}, {"draws_per_epoch": 67}, COSINE),
        ({"loss": {"name": "infonce", "temperature": 1.0}}, {}, DOT),
        ({"loss": {"name": "bce"}}, {}, None),
    ],
)
def test_no_warning_comes_where_it_does_not_apply(recipe, facts, contract):
    assert cautions({**NORMAL, **recipe}, {**FACTS, **facts}, contract, CUT) == []


def test_which_losses_take_negatives_from_the_batch():
    of_batch = [
        {"name": "infonce", "in_batch_negatives": True},
        {"name": "simcse"},
        {"name": "mixcse"},
        {"name": "kl", "infonce_weight": 0.1},
    ]
    of_query = [
        {"name": "infonce", "in_batch_negatives": False},
        {"name": "kl", "infonce_weight": 0.0},
        {"name": "margin_mse"},
        {"name": "lce"},
    ]
    assert all(map(has_in_batch_negatives, of_batch))
    assert not any(map(has_in_batch_negatives, of_query))
