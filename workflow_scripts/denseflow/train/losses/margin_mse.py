"""MarginMSE: the distance between positive and negative is learned from a teacher."""

from dataclasses import dataclass

from torch import Tensor

from denseflow.train.losses.masked import mean_by_query
from denseflow.train.losses.similarity import similarities
from denseflow.train.losses.targets import Targets


@dataclass(frozen=True)
class MarginMSE:
    """The squared error of the student's differences positive - negative against the teacher's.

    For query i with positive p(i), similarity s, scale a and the teacher's scores T, the mean over i of::

        1/|N(i)| sum_{j in N(i)} ( a (s(i, p(i)) - s(i, j)) - (T(i, p(i)) - T(i, j)) )^2

    N(i) holds the other passages drawn for i that the teacher scored. A query whose positive has no score, or that has
    no other scored passage, counts nothing; where that is so for all, the loss is 0.

    When to use it: with a good cross-encoder's scores of hard negatives. False negatives do no harm, since the teacher
    says how relevant each passage is. It copies the teacher's scale, so bring the student there: with a cosine, whose
    differences are at most 2, ``scale`` must be about the spread of the teacher's scores (10 to 20 for logits). It
    uses no in-batch negatives, and so learns little where few passages are drawn.

    Source: Hofstätter et al. 2020 (https://arxiv.org/abs/2010.02666), the Margin-MSE loss.

    sentence-transformers: ``MarginMSELoss`` with ``similarity_fct`` a times the similarity, where all queries have the
    same number of scored passages; where not, this gives each query the same weight.

    Attributes:
        scale: a, multiplies the student's similarities; above 0.
        similarity: The encoder's: ``dot`` or ``cosine``.
    """

    scale: float
    similarity: str = "cosine"

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The mean loss over the queries; see :class:`denseflow.train.losses.targets.Loss`."""
        student = self.scale * similarities(queries, passages, self.similarity)
        teacher, scored = targets.scored()
        of = targets.positive[:, None]
        errors = (student.gather(1, of) - student) - (teacher.gather(1, of) - teacher).to(student.dtype)
        negatives = scored & scored.gather(1, of)
        return mean_by_query(errors.square(), negatives.scatter(1, of, value=False))

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """``scored_passages``: the share of drawn passages that have a teacher's score."""
        return {"scored_passages": targets.scored_share()}
