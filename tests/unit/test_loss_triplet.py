"""The triplet loss against its formula and against sentence-transformers."""

import pytest
import torch
from loss_batch import (
    NEGATIVES,
    QUERIES,
    assert_float32_of_half_precision,
    assert_same_value_and_gradient,
    columns,
    embeddings,
    masks,
    targets,
)
from sentence_transformers.sentence_transformer.losses import TripletLoss
from sentence_transformers.sentence_transformer.losses.triplet import TripletDistanceMetric
from sentence_transformers.util import cos_sim

from denseflow.train.losses.triplet import Triplet


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.5])
def test_value_and_gradient_equal_triplet_loss_with_the_cosine_distance_and_one_negative(margin):
    vectors = tuple(tensor.detach().double().requires_grad_() for tensor in embeddings(negatives=1))
    ours = Triplet(margin, in_batch_negatives=False)(*vectors, targets(1))
    reference = TripletLoss(torch.nn.Identity(), TripletDistanceMetric.COSINE, triplet_margin=margin)
    assert_same_value_and_gradient(ours, reference.compute_loss_from_embeddings(columns(*vectors), None), vectors)


@pytest.mark.parametrize("in_batch_negatives", [True, False])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_it_is_the_mean_hinge_over_the_negatives_of_each_query(similarity, in_batch_negatives):
    queries, passages = (tensor.detach().double() for tensor in embeddings())
    given = targets()
    loss = Triplet(0.4, in_batch_negatives, similarity)(queries, passages, given)
    scores = cos_sim(queries, passages) if similarity == "cosine" else queries @ passages.T
    of_queries = []
    for row in range(QUERIES):
        others = range(QUERIES * (1 + NEGATIVES)) if in_batch_negatives else [row + QUERIES, row + 2 * QUERIES]
        hinges = [max(0.0, 0.4 - float(scores[row, row] - scores[row, place])) for place in others if place != row]
        of_queries.append(sum(hinges) / len(hinges))
    assert loss.item() == pytest.approx(sum(of_queries) / QUERIES)


def test_a_known_relevant_passage_is_no_negative():
    queries, passages = embeddings()
    relevant = masks()["relevant"]
    relevant[:, 7] = True
    loss = Triplet(3.0)(queries, passages, targets(relevant=relevant))
    gradient = torch.autograd.grad(loss, passages)[0]
    assert gradient[7].abs().max() == 0
    assert gradient[8].abs().max() > 0
    assert not torch.allclose(loss, Triplet(3.0)(queries, passages, targets()))


def test_a_query_without_negatives_counts_nothing():
    queries, passages = embeddings()
    relevant = masks()["relevant"]
    relevant[0] = True
    loss = Triplet(0.5)(queries, passages, targets(relevant=relevant))
    others = Triplet(0.5)(
        queries[1:],
        passages,
        targets(
            positive=torch.arange(1, QUERIES),
            **{name: masks()[name][1:] for name in ("drawn", "relevant", "positives")},
        ),
    )
    torch.testing.assert_close(loss, others)
    nothing = Triplet(0.5)(queries, passages, targets(relevant=torch.ones_like(relevant)))
    assert nothing.item() == 0
    assert torch.autograd.grad(nothing, queries)[0].abs().max() == 0


def test_margin_and_in_batch_negatives_change_the_value():
    vectors = embeddings()
    values = {Triplet(margin, kind)(*vectors, targets()).item() for margin in (0.1, 0.2, 1.0) for kind in (True, False)}
    assert len(values) == 6


def test_negatives_within_the_margin_are_counted():
    queries, passages = embeddings()
    measures = Triplet(0.3)(queries, passages, targets()), Triplet(0.3).measures(queries, passages, targets())
    scores = cos_sim(queries, passages)
    negatives = ~masks()["relevant"]
    active = (0.3 - scores.diagonal()[:, None] + scores > 0)[negatives].float().mean()
    assert measures[1]["active_negatives"] == pytest.approx(active.item())
    assert measures[1]["masked_negatives"] == 0
    assert Triplet(10.0).measures(queries, passages, targets())["active_negatives"] == 1


def test_half_precision_embeddings_give_the_loss_of_float32():
    assert_float32_of_half_precision(Triplet(0.3), targets())
