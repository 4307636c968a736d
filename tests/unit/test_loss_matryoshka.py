"""Matryoshka around each loss: against sentence-transformers, and by what it changes."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from loss_batch import (
    WIDTH,
    assert_float32_of_half_precision,
    assert_same_value_and_gradient,
    columns,
    embeddings,
    targets,
    teacher_scores,
)
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss, MultipleNegativesRankingLoss

from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.kl import KL
from denseflow.train.losses.margin_mse import MarginMSE
from denseflow.train.losses.matryoshka import Matryoshka
from denseflow.train.losses.mixcse import MixCSE
from denseflow.train.losses.simcse import SimCSE
from denseflow.train.losses.triplet import Triplet

LOSSES = [InfoNCE(0.1), Triplet(0.5), MarginMSE(10.0), KL(0.1, 1.0, 0.5), SimCSE(0.1), MixCSE(0.1, 0.2)]


class Vectors(torch.nn.Module):
    """A model whose texts are vectors already."""

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        return dict(features)

    def get_embedding_dimension(self) -> int:
        return WIDTH


def test_value_and_gradient_equal_matryoshka_loss():
    vectors = tuple(tensor.detach().double().requires_grad_() for tensor in embeddings())
    ours = Matryoshka(InfoNCE(0.1), (8, 4, 2), (1.0, 0.5, 2.0))(*vectors, targets())
    model = Vectors()
    reference = MatryoshkaLoss(model, MultipleNegativesRankingLoss(model, scale=10), [8, 4, 2], [1.0, 0.5, 2.0])
    other = reference([{"sentence_embedding": column} for column in columns(*vectors)], None)
    assert_same_value_and_gradient(ours, other, vectors)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_it_is_the_weighted_sum_of_any_loss_of_the_cut_and_rescaled_vectors(loss):
    queries, passages = embeddings()
    given = targets(teacher=teacher_scores())
    value = Matryoshka(loss, (8, 3), (1.0, 0.25))(queries, passages, given)
    cut = loss(F.normalize(queries[:, :3], dim=-1), F.normalize(passages[:, :3], dim=-1), given)
    torch.testing.assert_close(value, loss(queries, passages, given) + 0.25 * cut)


def test_with_dot_the_cut_vectors_are_compared_as_they_are():
    queries, passages = embeddings()
    loss = InfoNCE(1.0, similarity="dot")
    value = Matryoshka(loss, (3,), (1.0,))(queries, passages, targets())
    scores = queries[:, :3] @ passages[:, :3].T
    torch.testing.assert_close(value, F.cross_entropy(scores, torch.arange(len(queries))))


def test_where_the_encoder_scales_its_vectors_the_cut_ones_are_scaled_with_dot_too():
    queries, passages = embeddings()
    value = Matryoshka(InfoNCE(1.0, similarity="dot"), (3,), (1.0,), scaled=True)(queries, passages, targets())
    torch.testing.assert_close(
        value, Matryoshka(InfoNCE(1.0, similarity="cosine"), (3,), (1.0,))(queries, passages, targets())
    )


def test_dimensions_and_weights_change_the_value_and_only_the_dimensions_learn():
    queries, passages = embeddings()
    given = targets()
    cuts = [((8,), (1.0,)), ((8, 4), (1.0, 1.0)), ((8, 4), (1.0, 0.5)), ((8, 2), (1.0, 1.0)), ((4,), (1.0,))]
    values = [Matryoshka(InfoNCE(0.1), *cut)(queries, passages, given) for cut in cuts]
    assert len({value.item() for value in values}) == len(cuts)
    gradient = torch.autograd.grad(values[-1], queries)[0]
    assert gradient[:, 4:].abs().max() == 0
    assert gradient[:, :4].abs().max() > 0


def test_the_loss_at_each_number_of_dimensions_is_measured_beside_the_loss_s_own_measures():
    queries, passages = (tensor.detach() for tensor in embeddings())
    measures = Matryoshka(InfoNCE(0.1), (8, 4), (1.0, 1.0)).measures(queries, passages, targets())
    assert measures == {
        "masked_negatives": 0.0,
        "loss_8": InfoNCE(0.1)(queries, passages, targets()).item(),
        "loss_4": InfoNCE(0.1)(queries[:, :4], passages[:, :4], targets()).item(),
    }


def test_half_precision_embeddings_give_the_loss_of_float32():
    assert_float32_of_half_precision(Matryoshka(InfoNCE(0.05), (8, 4), (1.0, 1.0)), targets())
