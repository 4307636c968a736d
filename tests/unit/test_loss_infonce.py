"""InfoNCE against its formula, against sentence-transformers, and against the traps of others' code."""

import pytest
import torch
from loss_batch import (
    NEGATIVES,
    QUERIES,
    WIDTH,
    assert_float32_of_half_precision,
    assert_same_value_and_gradient,
    columns,
    embeddings,
    masks,
    targets,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import cos_sim, dot_score

from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.targets import Targets


@pytest.mark.parametrize(("similarity", "theirs"), [("cosine", cos_sim), ("dot", dot_score)])
@pytest.mark.parametrize("temperature", [0.02, 0.05, 1.0])
def test_value_and_gradient_equal_multiple_negatives_ranking_loss(similarity, theirs, temperature):
    queries, passages = (tensor.double() for tensor in embeddings())
    loss = InfoNCE(temperature, similarity=similarity)(queries, passages, Targets(**masks()))
    ours = torch.autograd.grad(loss, (queries, passages))
    model = torch.nn.Identity()
    reference = MultipleNegativesRankingLoss(model, scale=1 / temperature, similarity_fct=theirs)
    other = reference.compute_loss_from_embeddings([queries, *passages.split(QUERIES)], None)
    torch.testing.assert_close(loss, other)
    torch.testing.assert_close(ours, torch.autograd.grad(other, (queries, passages)))


def test_a_known_relevant_passage_takes_no_share_and_gets_no_gradient():
    queries, passages = embeddings()
    given = masks()
    given["relevant"][:, 7] = True
    loss = InfoNCE(0.1)(queries, passages, Targets(**given))
    without = masks()
    keep = [place for place in range(passages.shape[0]) if place != 7]
    expected = InfoNCE(0.1)(
        queries,
        passages[keep],
        Targets(
            positive=without["positive"],
            **{name: without[name][:, keep] for name in ("drawn", "relevant", "positives")},
        ),
    )
    torch.testing.assert_close(loss, expected)
    gradient = torch.autograd.grad(loss, passages)[0]
    assert gradient[7].abs().max() == 0
    assert gradient[8].abs().max() > 0


def test_the_positive_counts_although_it_is_known_relevant():
    queries, passages = embeddings()
    given = Targets(**masks())
    assert given.relevant[torch.arange(QUERIES), given.positive].all()
    closer = passages.detach() + torch.cat([queries.detach(), torch.zeros(QUERIES * NEGATIVES, WIDTH)])
    assert InfoNCE(0.1)(queries, closer, given) < InfoNCE(0.1)(queries, passages, given)


def test_without_in_batch_negatives_only_the_own_hard_negatives_count():
    queries, passages = embeddings()
    loss = InfoNCE(0.1, in_batch_negatives=False, similarity="dot")(queries, passages, Targets(**masks()))
    own = passages.view(1 + NEGATIVES, QUERIES, WIDTH)
    logits = torch.einsum("qd,nqd->qn", queries, own) / 0.1
    torch.testing.assert_close(loss, -logits.log_softmax(1)[:, 0].mean())
    assert loss < InfoNCE(0.1, similarity="dot")(queries, passages, Targets(**masks()))


@pytest.mark.parametrize("in_batch_negatives", [True, False])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_temperature_acts_in_every_mode(similarity, in_batch_negatives):
    given = embeddings()
    losses = {
        round(InfoNCE(temperature, in_batch_negatives, similarity)(*given, Targets(**masks())).item(), 6)
        for temperature in (0.05, 0.1, 1.0)
    }
    assert len(losses) == 3


def test_half_precision_embeddings_give_the_loss_of_float32():
    assert_float32_of_half_precision(InfoNCE(0.01, symmetric=True, margin=0.1), targets())


def test_every_positive_is_the_mean_over_a_query_s_positives_against_the_same_negatives():
    queries, passages = (tensor.double() for tensor in embeddings())
    given = masks()
    given["relevant"][0, 1] = True
    given["positives"] = given["relevant"].clone()
    loss = InfoNCE(0.1, similarity="dot", every_positive=True)(queries, passages, Targets(**given))
    scores = (queries @ passages.T / 0.1).exp()
    expected = torch.zeros((), dtype=torch.double)
    for row in range(QUERIES):
        negatives = scores[row][~given["relevant"][row]].sum()
        of_each = [-(s / (s + negatives)).log() for s in scores[row][given["relevant"][row]]]
        expected = expected + torch.stack(of_each).mean() / QUERIES
    torch.testing.assert_close(loss, expected)
    assert not torch.allclose(loss, InfoNCE(0.1, similarity="dot")(queries, passages, Targets(**given)))


def test_every_positive_equals_the_one_drawn_where_there_is_no_other():
    queries, passages = embeddings()
    given = masks()
    loss = InfoNCE(0.1, every_positive=True)(queries, passages, Targets(**{**given, "positives": given["relevant"]}))
    torch.testing.assert_close(loss, InfoNCE(0.1)(queries, passages, Targets(**given)))


def test_what_is_relevant_but_no_positive_counts_neither_way_with_every_positive():
    queries, passages = embeddings()
    given = masks()
    positives = given["relevant"].clone()
    given["relevant"][0, 7] = True
    loss = InfoNCE(0.1, every_positive=True)(queries, passages, Targets(**{**given, "positives": positives}))
    gradient = torch.autograd.grad(loss, queries, retain_graph=True)[0]
    moved = passages.detach().clone()
    moved[7] = -moved[7]
    other = InfoNCE(0.1, every_positive=True)(queries, moved, Targets(**{**given, "positives": positives}))
    torch.testing.assert_close(gradient[0], torch.autograd.grad(other, queries)[0][0])


def test_a_query_without_negatives_has_a_loss_and_a_gradient_of_0_with_every_positive():
    queries, passages = embeddings()
    given = masks()
    given["relevant"][:] = True
    loss = InfoNCE(0.1, every_positive=True)(queries, passages, Targets(**{**given, "positives": given["relevant"]}))
    assert loss.item() == 0
    assert torch.autograd.grad(loss, queries)[0].abs().max() == 0


@pytest.mark.parametrize(("similarity", "theirs"), [("cosine", cos_sim), ("dot", dot_score)])
@pytest.mark.parametrize("negatives", [0, 2])
def test_symmetric_equals_multiple_negatives_symmetric_ranking_loss(similarity, theirs, negatives):
    vectors = tuple(tensor.detach().double().requires_grad_() for tensor in embeddings(negatives=negatives))
    ours = InfoNCE(0.5, similarity=similarity, symmetric=True)(*vectors, targets(negatives))
    # Their MultipleNegativesSymmetricRankingLoss is this one under its old name.
    reference = MultipleNegativesRankingLoss(
        torch.nn.Identity(),
        scale=2,
        similarity_fct=theirs,
        directions=("query_to_doc", "doc_to_query"),
        partition_mode="per_direction",
    )
    assert_same_value_and_gradient(ours, reference.compute_loss_from_embeddings(columns(*vectors), None), vectors)
    assert not torch.allclose(ours, InfoNCE(0.5, similarity=similarity)(*vectors, targets(negatives)))


def test_symmetric_leaves_out_the_other_queries_that_the_positive_is_known_relevant_for():
    queries, passages = (tensor.double() for tensor in embeddings())
    given = masks()
    given["relevant"][3, 0] = True
    loss = InfoNCE(0.5, similarity="dot", symmetric=True)(queries, passages, Targets(**given))
    scores = (queries @ passages.T / 0.5).exp()
    expected = torch.zeros((), dtype=torch.double)
    for row in range(QUERIES):
        own = scores[row, row]
        not_relevant = scores[row][~given["relevant"][row]].sum()
        other_queries = scores[:, row][~given["relevant"][:, row]].sum()
        expected = expected - ((own / (own + not_relevant)).log() + (own / (own + other_queries)).log()) / 2 / QUERIES
    torch.testing.assert_close(loss, expected)


def test_symmetric_with_every_positive_asks_each_positive_for_its_query():
    queries, passages = (tensor.double() for tensor in embeddings())
    given = masks()
    given["relevant"][0, 1] = True
    given["positives"] = given["relevant"].clone()
    loss = InfoNCE(0.5, similarity="dot", every_positive=True, symmetric=True)(queries, passages, Targets(**given))
    scores = (queries @ passages.T / 0.5).exp()
    expected = torch.zeros((), dtype=torch.double)
    for row in range(QUERIES):
        not_relevant = scores[row][~given["relevant"][row]].sum()
        of_each = []
        for place in given["positives"][row].nonzero().flatten():
            own, others = scores[row, place], scores[:, place][~given["relevant"][:, place]].sum()
            of_each.append(-((own / (own + not_relevant)).log() + (own / (own + others)).log()) / 2)
        expected = expected + torch.stack(of_each).mean() / QUERIES
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("in_batch_negatives", [True, False])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_margin_is_taken_from_the_positive_before_the_division(temperature, in_batch_negatives):
    queries, passages = embeddings()
    loss = InfoNCE(temperature, in_batch_negatives, margin=0.2)(queries, passages, targets())
    scores = cos_sim(queries, passages)
    scores[torch.arange(QUERIES), torch.arange(QUERIES)] -= 0.2
    if not in_batch_negatives:
        scores = scores.masked_fill(~masks()["drawn"], -torch.inf)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(scores / temperature, torch.arange(QUERIES)))
    assert loss > InfoNCE(temperature, in_batch_negatives)(queries, passages, targets())


def test_the_margin_acts_in_both_directions_and_on_every_positive():
    vectors, relevant = embeddings(), masks()["relevant"]
    relevant[0, 1] = True
    given = targets(relevant=relevant, positives=relevant.clone())
    losses = [InfoNCE(0.1, every_positive=True, symmetric=True, margin=m)(*vectors, given).item() for m in (0, 0.1, 1)]
    assert losses[0] < losses[1] < losses[2]
    only_back = given.drawn & given.relevant
    alone = targets(drawn=only_back, relevant=torch.ones_like(relevant), positives=relevant)
    assert InfoNCE(0.1, margin=1.0)(*vectors, alone).item() == 0


def test_the_measure_is_the_share_of_would_be_negatives_that_are_relevant():
    relevant = masks()["relevant"]
    relevant[0, 1] = relevant[0, QUERIES] = True
    given = targets(relevant=relevant)
    in_batch = InfoNCE(0.1).measures(*embeddings(), given)
    hard = InfoNCE(0.1, in_batch_negatives=False).measures(*embeddings(), given)
    assert in_batch == {"masked_negatives": 2 / (QUERIES * QUERIES * (1 + NEGATIVES) - QUERIES)}
    assert hard == {"masked_negatives": 1 / (QUERIES * NEGATIVES)}
