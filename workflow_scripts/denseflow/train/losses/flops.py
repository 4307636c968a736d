"""FLOPS regularisation: what keeps the vectors of a sparse encoder sparse."""

from dataclasses import dataclass, replace

from torch import Tensor

from denseflow.train.losses.similarity import at_least_float32
from denseflow.train.losses.targets import Loss, Targets


@dataclass(frozen=True)
class Flops:
    """A loss plus a price for the terms that queries and passages have.

    With w(i, j) the weight of term j in text i of Q queries or P passages::

        loss + q(t) sum_j ( 1/Q sum_i w(i, j) )^2 + p(t) sum_j ( 1/P sum_i w(i, j) )^2

    which estimates how many terms a query and a passage have in common, and so makes rare what many texts have. Both
    weights rise with the square of the step t until the warm-up ends, so that the encoder learns to rank before it
    learns to be sparse.

    When to use it: with any sparse encoder. Higher weights leave fewer terms: a smaller index, quicker searches, and
    from some point on worse results. A query's terms cost time at each search, so its weight is usually the higher one.

    Sources: Paria et al. 2020 (https://arxiv.org/abs/2004.05665), equation 4; with two weights that rise Formal et al.
    2021 (https://arxiv.org/abs/2107.05720), section 3.2, and (https://arxiv.org/abs/2109.10086).

    sentence-transformers: ``SpladeLoss`` with its ``SpladeRegularizerWeightSchedulerCallback``, where no passage comes
    twice in a batch: here each different passage counts once.

    Attributes:
        loss: The loss of the ranking.
        query_weight: q after the warm-up; 0 or above.
        passage_weight: p after the warm-up; 0 or above.
        warmup_steps: Steps until the weights are whole; 0: they are from the first step on.
        step: Optimizer steps that were taken.
    """

    loss: Loss
    query_weight: float
    passage_weight: float
    warmup_steps: int
    step: int = 0

    def at(self, step: int) -> "Flops":
        """The same loss after so many optimizer steps."""
        return replace(self, step=step)

    @property
    def risen(self) -> float:
        """The share of the weights that holds at this step."""
        return 1.0 if self.step >= self.warmup_steps else (self.step / self.warmup_steps) ** 2

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The loss and its price; see :class:`denseflow.train.losses.targets.Loss`."""
        return self.loss(queries, passages, targets) + self.price(queries, passages)

    def price(self, queries: Tensor, passages: Tensor) -> Tensor:
        """What the terms cost at this step."""
        return self.risen * (self.query_weight * flops(queries) + self.passage_weight * flops(passages))

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """Those of the loss, each kind's ``flops``, its mean number of ``terms``, and ``flops_risen``."""
        return {
            **self.loss.measures(queries, passages, targets),
            "query_flops": flops(queries).item(),
            "passage_flops": flops(passages).item(),
            "query_terms": terms(queries),
            "passage_terms": terms(passages),
            "flops_risen": self.risen,
        }


def flops(vectors: Tensor) -> Tensor:
    """The sum over the terms of the squared mean weight, a scalar, of vectors [n, terms]."""
    return at_least_float32(vectors).mean(0).square().sum()


def terms(vectors: Tensor) -> float:
    """How many weights of a vector are not 0, on average."""
    return float((vectors != 0).sum(1).float().mean())
