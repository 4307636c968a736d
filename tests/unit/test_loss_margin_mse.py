"""MarginMSE against its formula and against sentence-transformers."""

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
from sentence_transformers.sentence_transformer.losses import MarginMSELoss
from sentence_transformers.util import pairwise_cos_sim, pairwise_dot_score

from denseflow.train.losses.margin_mse import MarginMSE


@pytest.mark.parametrize(("similarity", "theirs"), [("cosine", pairwise_cos_sim), ("dot", pairwise_dot_score)])
@pytest.mark.parametrize("negatives", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_value_and_gradient_equal_margin_mse_loss(similarity, theirs, negatives, scale):
    vectors = tuple(tensor.detach().double().requires_grad_() for tensor in embeddings(negatives=negatives))
    scores = teacher_scores(negatives=negatives).double()
    ours = MarginMSE(scale, similarity)(*vectors, targets(negatives, teacher=scores))
    reference = MarginMSELoss(torch.nn.Identity(), similarity_fct=lambda one, other: scale * theirs(one, other))
    assert_same_value_and_gradient(
        ours, reference.compute_loss_from_embeddings(columns(*vectors), labels(scores)), vectors
    )


def test_a_query_whose_positive_has_no_score_counts_nothing():
    queries, passages = embeddings()
    scores = teacher_scores()
    scores[0, 0] = torch.nan
    loss = MarginMSE(1.0)(queries, passages, targets(teacher=scores))
    gradient = torch.autograd.grad(loss, queries)[0]
    assert gradient[0].abs().max() == 0
    assert gradient[1].abs().max() > 0
    rest = targets(teacher=scores)
    others = type(rest)(rest.positive[1:], rest.drawn[1:], rest.relevant[1:], rest.positives[1:], scores[1:])
    torch.testing.assert_close(loss, MarginMSE(1.0)(queries[1:], passages, others))


def test_a_passage_without_a_score_is_left_out_of_its_query():
    queries, passages = embeddings()
    scores = teacher_scores()
    scores[2, 2 + QUERIES] = torch.nan
    loss = MarginMSE(1.0)(queries, passages, targets(teacher=scores))
    gradient = torch.autograd.grad(loss, passages)[0]
    assert torch.isfinite(gradient).all()
    assert gradient[2 + QUERIES].abs().max() == 0
    assert gradient[2 + 2 * QUERIES].abs().max() > 0


def test_a_score_of_a_passage_that_was_not_drawn_changes_nothing():
    vectors, scores = embeddings(), teacher_scores()
    loss = MarginMSE(1.0)(*vectors, targets(teacher=scores))
    scores[0, 1] = 100.0
    torch.testing.assert_close(MarginMSE(1.0)(*vectors, targets(teacher=scores)), loss, rtol=0, atol=0)


def test_without_any_pair_of_scores_loss_and_gradient_are_0():
    vectors = embeddings()
    scores = torch.full_like(teacher_scores(), torch.nan)
    scores[:, :QUERIES] = teacher_scores()[:, :QUERIES]
    loss = MarginMSE(1.0)(*vectors, targets(teacher=scores))
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, vectors):
        assert gradient.abs().max() == 0


def test_a_known_relevant_passage_that_was_drawn_is_learned_as_the_teacher_says():
    vectors, scores = embeddings(), teacher_scores()
    relevant = targets().relevant.clone()
    relevant[0, QUERIES] = True
    loss = MarginMSE(1.0)(*vectors, targets(teacher=scores, relevant=relevant))
    torch.testing.assert_close(loss, MarginMSE(1.0)(*vectors, targets(teacher=scores)), rtol=0, atol=0)


def test_scale_and_the_teacher_s_scores_change_the_value():
    vectors = embeddings()
    values = {
        MarginMSE(scale)(*vectors, targets(teacher=teacher_scores(seed))).item()
        for scale in (1.0, 5.0)
        for seed in (1, 2)
    }
    assert len(values) == 4


def test_the_share_of_scored_passages_is_measured():
    scores = teacher_scores()
    scores[0, 0] = scores[1, 1] = scores[2, 2] = torch.nan
    assert MarginMSE(1.0).measures(*embeddings(), targets(teacher=scores)) == {"scored_passages": 12 / 15}


def test_a_batch_without_a_teacher_is_an_error():
    with pytest.raises(ValueError, match="without a teacher's scores"):
        MarginMSE(1.0)(*embeddings(), targets())


def test_half_precision_embeddings_give_the_loss_of_float32():
    assert_float32_of_half_precision(MarginMSE(10.0), targets(teacher=teacher_scores()))
