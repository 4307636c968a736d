"""The Kullback-Leibler divergence from a teacher's distribution over the passages of a query."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.masked import mean_by_query
from denseflow.train.losses.similarity import similarities
from denseflow.train.losses.targets import Targets


@dataclass(frozen=True)
class KL:
    """Distillation of a teacher's ranking of the passages drawn for a query.

    With L(i) the passages drawn for i that the teacher scored, its scores T, similarity s and two temperatures, the
    mean over i of::

        sum_{j in L(i)} t(i, j) log( t(i, j) / q(i, j) ),
        t(i, .) = softmax over L(i) of T(i, .) / teacher_temperature,
        q(i, .) = softmax over L(i) of s(i, .) / temperature

    plus ``infonce_weight`` times :class:`denseflow.train.losses.infonce.InfoNCE` with in-batch negatives and the same
    temperature. A query with fewer than two scored passages counts nothing; where all are so, the divergence is 0.

    When to use it: with a teacher and several hard negatives a query. Unlike MarginMSE it learns the order and the
    teacher's doubts, not its scale, so that any teacher fits; a ``teacher_temperature`` that leaves the first passage
    nearly all of the probability teaches no more than the labels do. Drawn passages alone teach little of the rest of
    the collection: add InfoNCE with a weight of 0.1 to 1 for a base model that was not trained for retrieval yet.

    Sources: Hinton et al. 2015 (https://arxiv.org/abs/1503.02531), section 2; for dense retrieval Lin et al. 2020
    (https://arxiv.org/abs/2010.11386).

    sentence-transformers: ``DistillKLDivLoss`` with the same two temperatures, which multiplies the divergence by the
    square of the student's. This does not: at 0.05 that is a factor of 1/400, which AdamW takes back, but beside
    InfoNCE would leave nothing of the teacher.

    Attributes:
        temperature: Divides the student's similarities; above 0.
        teacher_temperature: Divides the teacher's scores; above 0.
        infonce_weight: The weight of InfoNCE; 0 or above.
        similarity: The encoder's: ``dot`` or ``cosine``.
    """

    temperature: float
    teacher_temperature: float
    infonce_weight: float = 0.0
    similarity: str = "cosine"

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The mean loss over the queries; see :class:`denseflow.train.losses.targets.Loss`."""
        scores = similarities(queries, passages, self.similarity)
        teacher, scored = targets.scored()
        # The lowest number stands for minus infinity, which would make NaN of a query without any score.
        lowest = torch.finfo(scores.dtype).min
        student = (scores / self.temperature).masked_fill(~scored, lowest).log_softmax(1)
        teacher = (teacher.to(scores.dtype) / self.teacher_temperature).masked_fill(~scored, lowest).log_softmax(1)
        divergences = F.kl_div(student, teacher, reduction="none", log_target=True).sum(1, keepdim=True)
        loss = mean_by_query(divergences, scored.sum(1, keepdim=True) > 1)
        if self.infonce_weight > 0:
            loss = loss + self.infonce_weight * self._infonce(queries, passages, targets)
        return loss

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """``scored_passages``, the share of drawn passages that have a teacher's score; those of InfoNCE if weighed."""
        measures = {"scored_passages": targets.scored_share()}
        if self.infonce_weight > 0:
            measures |= self._infonce.measures(queries, passages, targets)
            measures["infonce"] = self._infonce(queries, passages, targets).item()
        return measures

    @property
    def _infonce(self) -> InfoNCE:
        return InfoNCE(self.temperature, similarity=self.similarity)
