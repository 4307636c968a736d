"""A space in which all vectors are alike stops a training; a space that is only narrow does not."""

import math

import pytest
import tiny
import torch
from tiny_training import history, run
from transformers import BertConfig

from denseflow.errors import DenseflowError
from denseflow.train.batches import Batches
from denseflow.train.collapse import space_measures
from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.targets import Targets

NONE = torch.zeros(2, 3, dtype=torch.bool)
TARGETS = Targets(positive=torch.tensor([0, 1]), drawn=NONE, relevant=NONE, positives=NONE)


def test_the_measures_are_those_of_the_cosines_of_different_passages():
    passages = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    measures = space_measures(InfoNCE(0.1), passages[:2], passages, TARGETS)
    assert measures["passage_cosine"] == pytest.approx(1 / 3)
    assert measures["passage_cosine_spread"] == pytest.approx(math.sqrt(1 / 3))
    assert measures["chance_loss"] == pytest.approx(math.log(3))


def test_of_many_passages_some_are_looked_at_and_of_two_there_is_no_spread():
    many = torch.randn(1000, 8)
    targets = Targets(
        positive=torch.tensor([0]), drawn=torch.ones(1, 1000).bool(), relevant=torch.zeros(1, 1000).bool(),
        positives=torch.zeros(1, 1000).bool(),
    )  # fmt: skip
    assert abs(space_measures(InfoNCE(0.1), many[:1], many, targets)["passage_cosine"]) < 0.01
    two = Targets(torch.tensor([0]), NONE[:1, :2], NONE[:1, :2], NONE[:1, :2])
    assert set(space_measures(InfoNCE(0.1), many[:1], many[:2], two)) == {"chance_loss"}


@pytest.mark.parametrize("learning_rate", [0.1, 1.0])
def test_a_learning_rate_that_is_far_too_high_collapses_the_space_and_stops(
    learning_rate, base, training_file, tmp_path
):
    with pytest.raises(DenseflowError, match=r"the space has collapsed.*Lower recipe.learning_rate.*temperature"):
        run(base, training_file, tmp_path, max_steps=100, learning_rate=learning_rate)
    assert not (tmp_path / "out").exists()


def test_equal_vectors_stop_a_training_after_the_warm_up(base, training_file, tmp_path, monkeypatch):
    collate = Batches.__call__

    def all_alike(self, draws):
        batch = collate(self, draws)
        for piece in (*batch["queries"], *batch["passages"]):
            piece["input_ids"] = torch.full_like(piece["input_ids"], 5)
        return batch

    monkeypatch.setattr(Batches, "__call__", all_alike)
    with pytest.raises(DenseflowError, match="stopped at step 30: the space has collapsed"):
        run(base, training_file, tmp_path, max_steps=100, warmup_ratio=0.1, dropout=0.0, learning_rate=1e-9)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_random_model_with_a_narrow_space_is_not_stopped(pooling, training_file, tmp_path, monkeypatch):
    from tiny_training import make_base

    # BERT's own range, at which the vectors of a random model are close to each other.
    monkeypatch.setattr(tiny, "BertConfig", lambda **options: BertConfig(**{**options, "initializer_range": 0.02}))
    narrow = make_base(tmp_path / "narrow", pooling=pooling)
    lines = history(run(narrow, training_file, tmp_path, max_steps=40, learning_rate=1e-5))
    assert max(line["passage_cosine"] for line in lines) > 0.8
