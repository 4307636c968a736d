"""The cross-encoders' losses: values and gradients are those of their formulas and of sentence-transformers."""

import math

import pytest
import torch
from sentence_transformers.cross_encoder import losses as theirs
from tiny_cross_encoder import make_cross_encoder

from denseflow.cross_encoder import load_cross_encoder, pair_scores, tokenize_pairs
from denseflow.train.losses.bce import BinaryCrossEntropy
from denseflow.train.losses.lce import LocalizedContrastive
from denseflow.train.losses.pairs import pair_measures

GROUPS = [
    ("what is diabetes", ["a disease", "fish and milk", "the array function"]),
    ("risk of cancer", ["cancer risk in women", "milk", "heart"]),
    ("milk", ["milk and fruit", "meat", "a study"]),
]
PAIRS = [(query, text) for query, texts in GROUPS for text in texts]
PLACES = torch.arange(9).reshape(3, 3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_cross_encoder(make_cross_encoder(tmp_path_factory.mktemp("model")).parent / "model")


def gradients(model, loss):
    loss.backward()
    found = {name: weights.grad.clone() for name, weights in model.named_parameters()}
    model.zero_grad()
    return found


def assert_same(model, ours, expected):
    assert ours.item() == pytest.approx(expected.item(), rel=1e-5)
    one, other = gradients(model, ours), gradients(model, expected)
    norm = math.sqrt(sum(float(gradient.norm() ** 2) for gradient in other.values()))
    assert norm > 1e-3
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, other[name], rtol=1e-4, atol=1e-5 * norm)


def scores_of(model):
    return pair_scores(model, tokenize_pairs(model, PAIRS))


def test_lce_is_sentence_transformers_loss_without_negatives_from_the_batch(model):
    loss = theirs.MultipleNegativesRankingLoss(model, scale=1, activation_fn=torch.nn.Identity(), num_negatives=None)
    # A batch of one query has no negatives but its own.
    expected = sum(loss([[query], *([text] for text in texts)], None) for query, texts in GROUPS) / len(GROUPS)
    assert_same(model, LocalizedContrastive()(scores_of(model), PLACES), expected)


def test_lce_is_sentence_transformers_listnet_of_one_relevant_passage(model):
    # Its labels are softmaxed; these are 1 and 0 then.
    queries, texts = zip(*GROUPS, strict=True)
    expected = theirs.ListNetLoss(model)([list(queries), list(texts)], [torch.tensor([1e9, 0.0, 0.0])] * 3)
    assert_same(model, LocalizedContrastive()(scores_of(model), PLACES), expected)


def test_bce_is_sentence_transformers_binary_cross_entropy(model):
    queries, texts = zip(*PAIRS, strict=True)
    labels = torch.tensor([1.0, 0.0, 0.0] * 3)
    expected = theirs.BinaryCrossEntropyLoss(model)([list(queries), list(texts)], labels)
    assert_same(model, BinaryCrossEntropy()(scores_of(model), PLACES), expected)


def test_lce_is_its_formula_whatever_the_order_of_the_pairs():
    scores = torch.tensor([0.5, 2.0, -1.0, 0.0, 1.5])
    places = torch.tensor([[1, 4, 0], [3, 2, -1]])  # the second query has one negative only
    first = -2.0 + math.log(sum(map(math.exp, (2.0, 1.5, 0.5))))
    second = 0.0 + math.log(sum(map(math.exp, (0.0, -1.0))))
    assert LocalizedContrastive()(scores, places).item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_bce_is_its_formula_and_counts_each_pair_once():
    scores, places = torch.tensor([0.5, 2.0, -1.0]), torch.tensor([[1, 0, 2]])
    expected = (math.log(1 + math.exp(-2.0)) + math.log(1 + math.exp(0.5)) + math.log(1 + math.exp(-1.0))) / 3
    assert BinaryCrossEntropy()(scores, places).item() == pytest.approx(expected, rel=1e-6)
    assert BinaryCrossEntropy()(scores[:2], torch.tensor([[1, 0, -1]])).item() < 1


def test_a_query_without_negatives_has_no_lce_and_no_gradient():
    scores = torch.tensor([0.5, 2.0, -1.0], requires_grad=True)
    LocalizedContrastive()(scores, torch.tensor([[0, -1], [1, 2]])).backward()
    assert scores.grad[0] == 0
    assert scores.grad.isfinite().all()


def test_the_share_of_queries_whose_positive_is_first_is_measured():
    scores = torch.tensor([0.5, 2.0, -1.0, 0.0, 1.5, 0.0])
    assert pair_measures(scores, torch.tensor([[1, 4, 0], [2, 3, -1]])) == {"positive_first": 0.5}
    assert pair_measures(scores, torch.tensor([[3, 5]])) == {"positive_first": 0.0}  # a tie is not first
