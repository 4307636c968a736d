"""InfoNCE against its formula, against sentence-transformers, and against the traps of others' code."""

import pytest
import torch
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import cos_sim, dot_score

from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.targets import Targets

QUERIES, NEGATIVES, WIDTH = 5, 2, 8


def embeddings(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(QUERIES, WIDTH, generator=generator)
    passages = torch.randn(QUERIES * (1 + NEGATIVES), WIDTH, generator=generator)
    return queries.requires_grad_(), passages.requires_grad_()


def masks() -> dict[str, torch.Tensor]:
    """Query i has the positive i and the hard negatives i + Q, i + 2Q, the order that sentence-transformers has."""
    drawn = torch.eye(QUERIES).bool().repeat(1, 1 + NEGATIVES)
    relevant = torch.zeros_like(drawn)
    relevant[:, :QUERIES] = torch.eye(QUERIES).bool()
    return {"positive": torch.arange(QUERIES), "drawn": drawn, "relevant": relevant, "positives": relevant.clone()}


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


def test_half_precision_embeddings_give_a_loss_in_float32():
    queries, passages = (tensor.detach().bfloat16() for tensor in embeddings())
    assert InfoNCE(0.01)(queries, passages, Targets(**masks())).dtype == torch.float32


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
