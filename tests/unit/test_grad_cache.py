"""GradCache gives the gradient of the whole batch."""

from functools import partial

import pytest
import torch

from denseflow.encoder import load_encoder
from denseflow.train.grad_cache import GradCache, encode_piece, encode_pieces
from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.targets import Targets
from denseflow.train.tokens import Tokens

QUERIES = ["what is diabetes", "risk of cancer in women", "milk", "fish and heart disease", "the array function"]
PASSAGES = [
    "diet",
    "cancer risk and women",
    "milk and fruit",
    "the effect of fish on heart disease in patients",
    "array",
]
PASSAGES += [f"{text} study {text}" for text in PASSAGES]


@pytest.fixture
def model(tiny_model):
    return load_encoder(tiny_model).train()


def pieces(model, texts, kind, size):
    made = Tokens(model, texts.__getitem__, kind).pieces(range(len(texts)), size)
    return [{**piece, "seed": 100 * len(kind) + place} for place, piece in enumerate(made)]


def loss_function(temperature=0.05):
    eye = torch.eye(len(QUERIES)).bool().repeat(1, 2)
    relevant = eye.clone()
    relevant[:, len(QUERIES) :] = False
    relevant[0, 1] = True
    positive = torch.arange(len(QUERIES))
    targets = Targets(positive=positive, drawn=eye, relevant=relevant, positives=relevant)
    return lambda q, p: InfoNCE(temperature)(q, p, targets)


def set_dropout(model, probability):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = probability


def gradients(model):
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def whole(model, size, temperature=0.05):
    loss = loss_function(temperature)(
        encode_pieces(model, pieces(model, QUERIES, "query", size)),
        encode_pieces(model, pieces(model, PASSAGES, "passage", size)),
    )
    loss.backward()
    return loss.detach(), gradients(model)


def cached(model, size, temperature=0.05, **options):
    loss = GradCache(partial(encode_piece, model), torch.Tensor.backward).step(
        [pieces(model, QUERIES, "query", size), pieces(model, PASSAGES, "passage", size)],
        loss_function(temperature),
        **options,
    )
    return loss, gradients(model)


def relative_difference(ours, theirs):
    assert ours.keys() == theirs.keys()
    ours, theirs = (torch.cat([gradient.flatten() for gradient in group.values()]) for group in (ours, theirs))
    return ((ours - theirs).norm() / theirs.norm()).item()


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_gradient_equals_the_full_batch_in_one_pass(model, size):
    set_dropout(model, 0.0)
    loss, expected = whole(model, 100)
    ours, found = cached(model, size)
    assert ours.item() == pytest.approx(loss.item(), rel=1e-5)
    assert relative_difference(found, expected) < 1e-5


@pytest.mark.parametrize("size", [2, 3])
def test_with_dropout_the_gradient_equals_that_of_the_same_pieces_in_one_graph(model, size):
    set_dropout(model, 0.3)
    loss, expected = whole(model, size)
    ours, found = cached(model, size)
    assert ours.item() == pytest.approx(loss.item(), rel=1e-6)
    assert relative_difference(found, expected) < 1e-5
    set_dropout(model, 0.0)
    assert relative_difference(whole(model, size)[1], expected) > 1e-2


def test_temperature_acts_under_grad_cache(model):
    set_dropout(model, 0.0)
    loss, sharp = cached(model, 2, temperature=0.05)
    other, flat = cached(model, 2, temperature=1.0)
    assert loss != other
    assert relative_difference(sharp, flat) > 0.1
    assert relative_difference(flat, whole(model, 100, temperature=1.0)[1]) < 1e-5


def test_the_weight_of_an_accumulated_batch_scales_the_gradient_and_not_the_loss(model):
    set_dropout(model, 0.0)
    loss, full = cached(model, 2)
    other, half = cached(model, 2, weight=0.5)
    assert loss == other
    assert relative_difference({name: 2 * gradient for name, gradient in half.items()}, full) < 1e-6


def test_the_activations_of_one_piece_at_a_time_are_held(model, monkeypatch):
    sizes = []
    forward = model.forward
    monkeypatch.setattr(
        model,
        "forward",
        lambda features, **options: (
            sizes.append((torch.is_grad_enabled(), len(features["input_ids"]))) or forward(features, **options)
        ),
    )
    cached(model, 2)
    assert [size for grad, size in sizes if grad] == [2, 2, 1, 2, 2, 2, 2, 2]
    assert len(sizes) == 16
