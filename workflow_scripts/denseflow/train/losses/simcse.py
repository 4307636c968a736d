"""SimCSE: a text must find itself, encoded with other dropout, among the other texts."""

from dataclasses import dataclass

from torch import Tensor

from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.losses.masked import mean_by_query
from denseflow.train.losses.similarity import similarities
from denseflow.train.losses.targets import Targets


@dataclass(frozen=True)
class SimCSE:
    """The unsupervised contrastive loss.

    h(i) and h'(i) are vectors of the same text i, as a query and as a passage, of two passes with different dropout;
    with similarity s and temperature t::

        loss = -1/Q sum_i log( exp(s(h(i), h'(i)) / t) / sum_j exp(s(h(i), h'(j)) / t) )

    j runs over the passages of the batch but those that are known to be relevant for i, as texts are that come twice.
    It is :class:`denseflow.train.losses.infonce.InfoNCE` with in-batch negatives; what is new is the data.

    When to use it: without any queries or judgements, to spread the vectors of a base model that was only ever
    pretrained as a language model. A model that was trained for retrieval already mostly loses by it. The model needs
    dropout (:mod:`denseflow.train.losses.model_fit` refuses one without).

    Source: Gao et al. 2021 (https://arxiv.org/abs/2104.08821), equation 4, where s is the cosine.

    sentence-transformers: ``MultipleNegativesRankingLoss`` with each text given twice.

    Attributes:
        temperature: t, divides every similarity; above 0.
        similarity: The encoder's: ``dot`` or ``cosine``.
    """

    temperature: float
    similarity: str = "cosine"

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The mean loss over the texts; see :class:`denseflow.train.losses.targets.Loss`."""
        return self._infonce(queries, passages, targets)

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """``masked_negatives``, and the mean similarities of texts to themselves and to other texts of the batch."""
        scores = similarities(queries, passages, self.similarity)
        return {
            **self._infonce.measures(queries, passages, targets),
            "positive_similarity": scores.gather(1, targets.positive[:, None]).mean().item(),
            "negative_similarity": mean_by_query(scores, targets.negatives(in_batch=True)).item(),
        }

    @property
    def _infonce(self) -> InfoNCE:
        return InfoNCE(self.temperature, similarity=self.similarity)
