"""SimCSE against sentence-transformers and its formula."""

import pytest
import torch
from loss_batch import (
    QUERIES,
    assert_float32_of_half_precision,
    assert_same_value_and_gradient,
    columns,
    embeddings,
    masks,
    targets,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import cos_sim

from denseflow.train.losses.simcse import SimCSE


def test_value_and_gradient_equal_multiple_negatives_ranking_loss_of_texts_given_twice():
    vectors = tuple(tensor.detach().double().requires_grad_() for tensor in embeddings(negatives=0))
    ours = SimCSE(0.05)(*vectors, targets(0))
    reference = MultipleNegativesRankingLoss(torch.nn.Identity(), scale=20)
    assert_same_value_and_gradient(ours, reference.compute_loss_from_embeddings(columns(*vectors), None), vectors)


def test_it_is_the_cross_entropy_of_the_own_text_among_all():
    queries, passages = embeddings(negatives=0)
    expected = -(cos_sim(queries, passages) / 0.1).log_softmax(1).diagonal().mean()
    torch.testing.assert_close(SimCSE(0.1)(queries, passages, targets(0)), expected)


def test_temperature_and_similarity_change_the_value():
    vectors = embeddings(negatives=0)
    values = {SimCSE(t, s)(*vectors, targets(0)).item() for t in (0.05, 0.1) for s in ("dot", "cosine")}
    assert len(values) == 4


def test_a_text_that_comes_twice_is_no_negative_of_itself():
    queries, passages = embeddings(negatives=0)
    relevant = masks(0)["relevant"]
    relevant[0, 1] = relevant[1, 0] = True
    given = targets(0, relevant=relevant)
    scores = (cos_sim(queries, passages) / 0.1).exp()
    others = torch.stack([scores[row][~relevant[row]].sum() for row in range(QUERIES)])
    expected = -(scores.diagonal() / (scores.diagonal() + others)).log().mean()
    torch.testing.assert_close(SimCSE(0.1)(queries, passages, given), expected)
    assert SimCSE(0.1).measures(queries, passages, given)["masked_negatives"] == 2 / 20


def test_the_similarities_to_itself_and_to_other_texts_are_measured():
    queries, passages = embeddings(negatives=0)
    scores, own = cos_sim(queries, passages), torch.eye(QUERIES, dtype=torch.bool)
    measures = SimCSE(0.1).measures(queries, passages, targets(0))
    assert measures["positive_similarity"] == pytest.approx(scores[own].mean().item())
    assert measures["negative_similarity"] == pytest.approx(scores[~own].mean().item(), abs=1e-6)


def test_half_precision_embeddings_give_the_loss_of_float32():
    assert_float32_of_half_precision(SimCSE(0.05), targets())
