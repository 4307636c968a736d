"""The divergence from a teacher against its formula and against sentence-transformers."""

import pytest
import torch
from loss_batch import (
    QUERIES,
    assert_float32_of_half_precision,
    assert_same_value_and_gradient,
    columns,
    embeddings,
    labels,
    targets,
    teacher_scores,
)
from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss
from sentence_transformers.util import pairwise_cos_sim, pairwise_dot_score

from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.kl import KL


@pytest.mark.parametrize(("similarity", "theirs"), [("cosine", pairwise_cos_sim), ("dot", pairwise_dot_score)])
@pytest.mark.parametrize(("temperature", "teacher_temperature"), [(1.0, 1.0), (0.2, 3.0)])
def test_value_and_gradient_equal_distill_kl_div_loss_over_the_squared_temperature(
    similarity, theirs, temperature, teacher_temperature
):
    vectors = tuple(tensor.detach().double().requires_grad_() for tensor in embeddings())
    scores = teacher_scores().double()
    ours = KL(temperature, teacher_temperature, similarity=similarity)(*vectors, targets(teacher=scores))
    reference = DistillKLDivLoss(
        torch.nn.Identity(), theirs, student_temperature=temperature, teacher_temperature=teacher_temperature
    )
    other = reference.compute_loss_from_embeddings(columns(*vectors), labels(scores)) / temperature**2
    assert_same_value_and_gradient(ours, other, vectors)


def test_passages_without_a_score_take_no_share_of_either_distribution():
    queries, passages = (tensor.double() for tensor in embeddings())
    scores = teacher_scores().double()
    scores[1, 1 + QUERIES] = torch.nan
    loss = KL(0.5, 2.0, similarity="dot")(queries, passages, targets(teacher=scores))
    expected = torch.zeros((), dtype=torch.double)
    for row in range(QUERIES):
        listed = ~scores[row].isnan()
        teacher = (scores[row][listed] / 2.0).softmax(0)
        student = (queries[row] @ passages[listed].T / 0.5).softmax(0)
        expected = expected + (teacher * (teacher / student).log()).sum() / QUERIES
    torch.testing.assert_close(loss, expected)
    gradient = torch.autograd.grad(loss, passages)[0]
    assert torch.isfinite(gradient).all()
    assert gradient[1 + QUERIES].abs().max() == 0


def test_a_query_with_one_scored_passage_counts_nothing():
    queries, passages = embeddings()
    scores = teacher_scores()
    scores[0, QUERIES:] = torch.nan
    loss = KL(0.1, 1.0)(queries, passages, targets(teacher=scores))
    rest = targets(teacher=scores)
    others = type(rest)(rest.positive[1:], rest.drawn[1:], rest.relevant[1:], rest.positives[1:], scores[1:])
    torch.testing.assert_close(loss, KL(0.1, 1.0)(queries[1:], passages, others))
    assert torch.autograd.grad(loss, queries)[0][0].abs().max() == 0


def test_without_any_score_loss_and_gradient_are_0():
    vectors = embeddings()
    loss = KL(0.1, 1.0)(*vectors, targets(teacher=torch.full_like(teacher_scores(), torch.nan)))
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, vectors):
        assert gradient.abs().max() == 0


def test_a_student_that_scores_as_its_teacher_has_nothing_to_learn():
    queries, passages = (tensor.detach().double() for tensor in embeddings())
    given = targets()
    scores = (queries @ passages.T).masked_fill(~given.drawn, torch.nan)
    assert KL(1.0, 1.0, similarity="dot")(queries, passages, targets(teacher=scores)).item() == pytest.approx(0)
    assert KL(1.0, 2.0, similarity="dot")(queries, passages, targets(teacher=scores)).item() > 0.01


def test_infonce_is_added_with_its_weight_and_the_student_s_temperature():
    queries, passages = embeddings()
    given = targets(teacher=teacher_scores())
    alone = KL(0.1, 1.0, similarity="dot")(queries, passages, given)
    both = KL(0.1, 1.0, infonce_weight=0.3, similarity="dot")(queries, passages, given)
    infonce = InfoNCE(0.1, similarity="dot")(queries, passages, given)
    torch.testing.assert_close(both, alone + 0.3 * infonce)
    measures = KL(0.1, 1.0, infonce_weight=0.3, similarity="dot").measures(queries, passages, given)
    assert measures == {"scored_passages": 1.0, "masked_negatives": 0.0, "infonce": infonce.item()}
    assert KL(0.1, 1.0).measures(queries, passages, given) == {"scored_passages": 1.0}


def test_both_temperatures_the_weight_and_the_teacher_s_scores_change_the_value():
    vectors = embeddings()
    values = {
        KL(*options)(*vectors, targets(teacher=teacher_scores(seed))).item()
        for options in ((0.1, 1.0), (0.2, 1.0), (0.1, 2.0), (0.1, 1.0, 0.5))
        for seed in (1, 2)
    }
    assert len(values) == 8


def test_half_precision_embeddings_give_the_loss_of_float32():
    assert_float32_of_half_precision(KL(0.05, 1.0, 0.5), targets(teacher=teacher_scores()))
