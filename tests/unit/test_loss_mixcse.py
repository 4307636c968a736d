"""MixCSE against its formula, and against what its published code does otherwise."""

import pytest
import torch
import torch.nn.functional as F
from loss_batch import QUERIES, assert_float32_of_half_precision, embeddings, masks, targets

from denseflow.train.losses.masked import contrast
from denseflow.train.losses.mixcse import MixCSE
from denseflow.train.losses.simcse import SimCSE


def by_hand(queries, passages, relevant, *, temperature, mix, stop=True):
    """The paper's loss, vector by vector; passage i is the positive of query i."""
    queries, passages = F.normalize(queries, dim=-1), F.normalize(passages, dim=-1)
    losses = []
    for row, anchor in enumerate(queries):
        own = (anchor @ passages[row] / temperature).exp()
        others = torch.zeros((), dtype=queries.dtype)
        for place, other in enumerate(passages):
            if not relevant[row, place]:
                mixed = F.normalize(mix * passages[row] + (1 - mix) * other, dim=-1)
                mixed = mixed.detach() if stop else mixed
                others = others + (anchor @ other / temperature).exp() + (anchor @ mixed / temperature).exp()
        losses.append(-(own / (own + others)).log())
    return torch.stack(losses).mean()


@pytest.mark.parametrize("mix", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_value_and_gradient_equal_the_formula_written_vector_by_vector(temperature, mix):
    queries, passages = (tensor.detach().double().requires_grad_() for tensor in embeddings())
    given = targets()
    ours = MixCSE(temperature, mix)(queries, passages, given)
    expected = by_hand(queries, passages, given.relevant, temperature=temperature, mix=mix)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(
        torch.autograd.grad(ours, (queries, passages)), torch.autograd.grad(expected, (queries, passages))
    )


def test_no_gradient_goes_through_a_mixed_negative():
    queries, passages = (tensor.detach().double().requires_grad_() for tensor in embeddings())
    mixed = MixCSE(0.1, 0.2).mixed(queries, passages, targets())
    to_queries, to_passages = torch.autograd.grad(mixed.sum(), (queries, passages), allow_unused=True)
    assert to_passages is None
    assert to_queries.abs().max() > 0
    with_gradient = by_hand(queries, passages, targets().relevant, temperature=0.1, mix=0.2, stop=False)
    ours = MixCSE(0.1, 0.2)(queries, passages, targets())
    torch.testing.assert_close(ours, with_gradient)
    assert not torch.allclose(torch.autograd.grad(ours, passages)[0], torch.autograd.grad(with_gradient, passages)[0])


def test_the_mixture_is_scaled_to_length_1_after_the_mixing():
    queries, passages = (tensor.detach() for tensor in embeddings())
    mixed = MixCSE(0.1, 0.3).mixed(queries, passages, targets())
    unit = F.normalize(passages, dim=-1)
    vector = 0.3 * unit[1] + 0.7 * unit[4]
    anchor = F.normalize(queries[1], dim=-1)
    torch.testing.assert_close(mixed[1, 4], anchor @ vector / vector.norm())
    assert not torch.isclose(mixed[1, 4], anchor @ vector)
    before_scaling = F.normalize(0.3 * passages[1] + 0.7 * passages[4], dim=-1)
    assert not torch.isclose(mixed[1, 4], anchor @ before_scaling)


def test_what_is_masked_takes_no_share_of_the_softmax_rather_than_a_logit_of_0():
    queries, passages = embeddings()
    relevant = masks()["relevant"]
    relevant[:, 7] = True
    given = targets(relevant=relevant)
    loss = MixCSE(0.1, 0.2)(queries, passages, given)
    torch.testing.assert_close(loss, by_hand(queries, passages, relevant, temperature=0.1, mix=0.2))
    assert torch.autograd.grad(loss, passages)[0][7].abs().max() == 0
    logits = F.normalize(queries, dim=-1) @ F.normalize(passages, dim=-1).T / 0.1
    others = torch.cat([logits, MixCSE(0.1, 0.2).mixed(queries, passages, given) / 0.1], dim=1)
    negatives = given.negatives(in_batch=True).repeat(1, 2)
    with_zeros = contrast(logits[:, :QUERIES].diagonal()[:, None], others * negatives, torch.ones_like(negatives))
    assert with_zeros.mean() > loss + 1e-4


def test_nothing_is_mixed_with_anchors():
    queries, passages = (tensor.detach() for tensor in embeddings())
    loss = MixCSE(0.1, 0.2)
    moved = queries.clone()
    moved[1] = -moved[1]
    torch.testing.assert_close(loss.mixed(queries, passages, targets())[0], loss.mixed(moved, passages, targets())[0])
    one = targets(
        positive=torch.tensor([0]), **{name: masks()[name][:1] for name in ("drawn", "relevant", "positives")}
    )
    several = loss(queries, passages, targets())
    alone = torch.stack(
        [
            loss(
                queries[row : row + 1],
                passages,
                targets(
                    positive=torch.tensor([row]),
                    **{name: masks()[name][row : row + 1] for name in ("drawn", "relevant", "positives")},
                ),
            )
            for row in range(QUERIES)
        ]
    )
    torch.testing.assert_close(loss(queries[:1], passages, one), alone[0])
    torch.testing.assert_close(several, alone.mean())


def test_temperature_and_mix_change_the_value_and_mixing_makes_it_harder_than_simcse():
    vectors = embeddings()
    values = {MixCSE(t, mix)(*vectors, targets()).item() for t in (0.05, 0.1) for mix in (0.1, 0.2, 0.4)}
    assert len(values) == 6
    assert MixCSE(0.1, 0.2)(*vectors, targets()) > SimCSE(0.1)(*vectors, targets())


def test_similarities_to_positives_negatives_and_mixtures_are_measured():
    queries, passages = (tensor.detach() for tensor in embeddings())
    passages[:QUERIES] = queries + 0.5 * passages[:QUERIES]
    measures = MixCSE(0.1, 0.2).measures(queries, passages, targets())
    scores = F.normalize(queries, dim=-1) @ F.normalize(passages, dim=-1).T
    relevant = targets().relevant
    assert measures["positive_similarity"] == pytest.approx(scores[relevant].mean().item())
    assert measures["negative_similarity"] == pytest.approx(scores[~relevant].mean().item(), abs=1e-6)
    assert measures["negative_similarity"] < measures["mixed_similarity"] < measures["positive_similarity"]
    assert measures["masked_negatives"] == 0


def test_vectors_that_cancel_each_other_out_give_a_finite_loss():
    queries, passages = embeddings()
    with torch.no_grad():
        passages[QUERIES:] = -passages[:QUERIES].repeat(2, 1)
    loss = MixCSE(0.1, 0.5)(queries, passages, targets())
    assert torch.isfinite(loss)
    assert all(torch.isfinite(gradient).all() for gradient in torch.autograd.grad(loss, (queries, passages)))


def test_half_precision_embeddings_give_the_loss_of_float32():
    assert_float32_of_half_precision(MixCSE(0.05, 0.2), targets())
