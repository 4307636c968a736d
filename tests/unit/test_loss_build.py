"""From the configuration to the loss, and through a training of a few steps."""

import json
import logging
from dataclasses import asdict
from typing import Any, get_args

import pytest
import torch
from loss_batch import WIDTH, embeddings, targets, teacher_scores
from pydantic import ValidationError
from sentence_transformers import SentenceTransformer
from tiny import make_tiny_model
from tiny_training import RECIPE, history, make_base, make_training_file, run, same, weights

from denseflow.config import losses as sections
from denseflow.config.recipe import Recipe
from denseflow.errors import DenseflowError
from denseflow.train.grad_cache import GradCache
from denseflow.train.losses.build import make_loss
from denseflow.train.losses.kl import KL
from denseflow.train.losses.margin_mse import MarginMSE
from denseflow.train.losses.matryoshka import Matryoshka
from denseflow.train.losses.model_fit import refuse_unfit_model
from denseflow.workflow.canonical import canonical

# Every loss with each of its options, none at its default.
OPTIONS: dict[str, dict[str, Any]] = {
    "infonce": {
        "temperature": 0.3,
        "in_batch_negatives": True,
        "every_positive": True,
        "symmetric": True,
        "margin": 0.1,
    },
    "triplet": {"margin": 0.7, "in_batch_negatives": False},
    "margin_mse": {"scale": 3.0},
    "kl": {"temperature": 0.3, "teacher_temperature": 2.0, "infonce_weight": 0.5},
    "simcse": {"temperature": 0.3},
    "mixcse": {"temperature": 0.3, "mix": 0.4},
}


def recipe(loss: dict[str, Any], **others: Any) -> dict[str, Any]:
    """What the train stage gets of a recipe that a user wrote: the canonical options."""
    return json.loads(canonical(Recipe.model_validate({"loss": loss, **others})))


def value(given: dict[str, Any], similarity: str = "cosine") -> float:
    return make_loss(given, similarity)(*embeddings(), targets(teacher=teacher_scores())).item()


def test_each_loss_of_an_encoder_in_the_schema_is_here():
    names = {get_args(part.model_fields["name"].annotation)[0] for part in get_args(get_args(sections.AnyLoss)[0])}
    assert names - set(OPTIONS) == {"lce", "bce"}


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_reaches_its_loss_and_changes_it(name):
    given = {"name": name, **OPTIONS[name]}
    made = asdict(make_loss(recipe(given), "dot"))
    assert OPTIONS[name].items() <= made.items()
    assert made.get("similarity", "dot") == "dot"
    for key in OPTIONS[name]:
        if key == "every_positive":
            continue  # as equal as can be where each query has one positive; tested with the loss
        without = {other: number for other, number in given.items() if other != key}
        if (name, key) == ("triplet", "in_batch_negatives"):
            without[key] = True
        if (name, key) == ("infonce", "in_batch_negatives"):
            without |= {key: False, "symmetric": False}
        assert value(recipe(without)) != value(recipe(given))


@pytest.mark.parametrize("name", sorted(set(OPTIONS) - {"mixcse"}))
def test_the_encoder_s_similarity_is_the_loss_s(name):
    given = recipe({"name": name, **OPTIONS[name]})
    assert value(given, "dot") != value(given, "cosine")


def test_matryoshka_wraps_the_loss_and_its_weights_are_1_where_left_out():
    given = recipe({"name": "kl", **OPTIONS["kl"]}, matryoshka={"dimensions": [8, 2]})
    inner = KL(0.3, 2.0, 0.5, "dot")
    assert make_loss(given, "dot") == Matryoshka(inner, (8, 2), (1.0, 1.0))
    given = recipe({"name": "margin_mse"}, matryoshka={"dimensions": [8, 2], "weights": [1.0, 0.5]})
    assert make_loss(given, "cosine") == Matryoshka(MarginMSE(1.0), (8, 2), (1.0, 0.5))


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"loss": {"name": "infonce", "symmetric": True, "in_batch_negatives": False}}, "symmetric"),
        ({"loss": {"name": "infonce", "in_batch_negatives": False}, "negatives_per_query": 0}, "negatives_per_query"),
        ({"loss": {"name": "triplet", "in_batch_negatives": False}, "negatives_per_query": 0}, "negatives_per_query"),
        ({"loss": {"name": "simcse"}, "dropout": 0.0}, "dropout"),
        ({"loss": {"name": "mixcse"}, "dropout": 0.0}, "dropout"),
    ],
)
def test_a_recipe_with_nothing_to_learn_from_is_refused(given, key):
    with pytest.raises(ValidationError, match=f"`{key}` is"):
        Recipe.model_validate(given)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_training_file(tmp_path_factory.mktemp("data") / "train.jsonl")


@pytest.fixture(scope="module")
def usual(base, data, tmp_path_factory):
    """The weights that plain InfoNCE gives."""
    return weights(run(base, data, tmp_path_factory.mktemp("usual"), max_steps=2))


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": {"name": "infonce", "temperature": 0.1, "in_batch_negatives": True, "symmetric": True}},
        {"loss": {"name": "infonce", "temperature": 0.1, "in_batch_negatives": True, "margin": 0.2}},
        {"loss": {"name": "infonce", "temperature": 0.1, "in_batch_negatives": False}},
        {"loss": {"name": "triplet", "margin": 0.2, "in_batch_negatives": True}},
        {"loss": {"name": "simcse", "temperature": 0.05}},
        {"loss": {"name": "mixcse", "temperature": 0.1, "mix": 0.2}},
        {"matryoshka": {"dimensions": [32, 8]}},
    ],
    ids=lambda changes: "-".join(str(part) for part in changes.get("loss", changes).values()),
)
def test_training_with_another_loss_gives_other_weights(changes, base, data, usual, tmp_path):
    trained = weights(run(base, data, tmp_path, max_steps=2, **changes))
    assert not same(trained, usual)
    assert not same(trained, weights(base.parent))


@pytest.mark.parametrize("name", ["margin_mse", "kl"])
def test_training_learns_from_the_teacher_s_scores(name, base, data, usual, tmp_path):
    found = []
    for number, favourite in enumerate(("p", "n")):
        scores = tmp_path / f"{number}.jsonl"
        with scores.open("w") as file:
            for line in data.read_text().splitlines():
                row = json.loads(line)
                docids = [passage["docid"] for passage in row["positive_passages"] + row["negative_passages"]]
                liked = {docid: 4.0 * docid.startswith(favourite) for docid in docids}
                file.write(json.dumps({"query_id": row["query_id"], "scores": liked}) + "\n")
        loss = {"name": name, **OPTIONS[name]}
        out = run(base, data, tmp_path / str(number), loss=loss, max_steps=2, teacher_scores=scores)
        found.append(weights(out))
        assert {line["scored_passages"] for line in history(out) if "scored_passages" in line} == {1.0}
    assert not same(*found)
    assert not same(found[0], usual)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("matryoshka", [None, {"dimensions": [8, 4]}], ids=["whole", "cut"])
def test_grad_cache_gives_the_gradient_of_the_whole_batch(name, matryoshka):
    loss = make_loss({"loss": {"name": name, **OPTIONS[name]}, "matryoshka": matryoshka}, "cosine")
    given = targets(teacher=teacher_scores())
    encoder = torch.nn.Linear(WIDTH, WIDTH, bias=False)
    groups = [tensor.detach() for tensor in embeddings()]
    expected = torch.autograd.grad(loss(*map(encoder, groups), given), encoder.weight)[0]
    pieces = [[{"seed": 0, "input_ids": rows} for rows in group.split(2)] for group in groups]
    cache = GradCache(lambda piece: encoder(piece["input_ids"]), torch.Tensor.backward)
    cache.step(pieces, lambda queries, passages: loss(queries, passages, given))
    torch.testing.assert_close(encoder.weight.grad, expected)


@pytest.mark.parametrize("name", ["simcse", "mixcse"])
def test_dropout_pairs_are_refused_for_a_model_without_dropout(name, tmp_path):
    without = SentenceTransformer(str(make_tiny_model(tmp_path / "without", dropout=0.0)))
    with_dropout = SentenceTransformer(str(make_tiny_model(tmp_path / "with")))
    with pytest.raises(DenseflowError, match=r"recipe\.loss: " + name + r".*Set recipe\.dropout to the 0\.1"):
        refuse_unfit_model({"loss": {"name": name}}, without)
    refuse_unfit_model({"loss": {"name": name}}, with_dropout)
    refuse_unfit_model({"loss": {"name": "infonce"}}, without)


def test_training_itself_refuses_dropout_pairs_without_dropout(data, tmp_path):
    base = make_base(tmp_path / "base", dropout=0.0)
    with pytest.raises(DenseflowError, match=r"recipe\.loss: simcse"):
        run(base, data, tmp_path, loss={"name": "simcse", "temperature": 0.05})


def test_mixcse_is_refused_where_lengths_count(tmp_path):
    model = SentenceTransformer(str(make_tiny_model(tmp_path / "model", normalize=False)), similarity_fn_name="dot")
    with pytest.raises(DenseflowError, match=r"mixcse trains directions only.*Set contract\.normalize to true"):
        refuse_unfit_model({"loss": {"name": "mixcse"}}, model)
    refuse_unfit_model({"loss": {"name": "simcse"}}, model)
    model.similarity_fn_name = "cosine"
    refuse_unfit_model({"loss": {"name": "mixcse"}}, model)


def test_more_dimensions_than_the_model_has_are_refused_and_fewer_warned_of(tmp_path, caplog):
    model = SentenceTransformer(str(make_tiny_model(tmp_path / "model")))
    with pytest.raises(DenseflowError, match=r"recipe\.matryoshka\.dimensions: 64, but the model's vectors have 32"):
        refuse_unfit_model({**RECIPE, "matryoshka": {"dimensions": [64, 16]}}, model)
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        refuse_unfit_model({**RECIPE, "matryoshka": {"dimensions": [32, 16]}}, model)
        assert not caplog.records
        refuse_unfit_model({**RECIPE, "matryoshka": {"dimensions": [24, 16]}}, model)
    assert "the last 8 of the vectors' 32 dimensions are not trained" in caplog.text
