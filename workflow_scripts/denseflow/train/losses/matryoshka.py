"""Matryoshka: a loss is also taken of the vectors' first dimensions, so that vectors can be cut."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from denseflow.train.losses.targets import Loss, Targets


@dataclass(frozen=True)
class Matryoshka:
    """The weighted sum of a loss at several numbers of dimensions.

    With z[:k] the first k dimensions of a vector, dimensions k and their weights w(k)::

        loss = sum_k w(k) loss(queries[:k], passages[:k])

    The cut vectors are compared as a search compares them: with the cosine, and with ``dot`` where the encoder scales
    its vectors to length 1, they are scaled to length 1 again; other vectors are taken as they are. Any loss can be
    wrapped, a teacher's too: each cut learns the same teacher.

    When to use it: where the index must be small or a first search quick, and vectors will be cut. It costs next to no
    time, since texts are encoded once, and mostly a little quality of the whole vectors. Put their full number of
    dimensions among ``dimensions``: nothing else trains the last ones.

    Source: Kusupati et al. 2022 (https://arxiv.org/abs/2205.13147), equation 1.

    sentence-transformers: ``MatryoshkaLoss``, which scales cut vectors to length 1 whatever the encoder does.

    Attributes:
        loss: The loss at each number of dimensions.
        dimensions: The numbers k, of which none is above the vectors' own.
        weights: As many weights, above 0.
        scaled: Whether cut vectors are scaled to length 1, because the encoder's are.
    """

    loss: Loss
    dimensions: tuple[int, ...]
    weights: tuple[float, ...]
    scaled: bool = False

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The weighted sum of losses; see :class:`denseflow.train.losses.targets.Loss`."""
        losses = [
            self.loss(self._cut(queries, count), self._cut(passages, count), targets) for count in self.dimensions
        ]
        parts = [weight * loss for weight, loss in zip(self.weights, losses, strict=True)]
        return sum(parts[1:], parts[0])

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """Those of the loss at the whole vectors, and its value at each number of dimensions, as ``loss_192``."""
        return self.loss.measures(queries, passages, targets) | {
            f"loss_{count}": self.loss(self._cut(queries, count), self._cut(passages, count), targets).item()
            for count in self.dimensions
        }

    def _cut(self, vectors: Tensor, count: int) -> Tensor:
        return functional.normalize(vectors[:, :count], dim=-1) if self.scaled else vectors[:, :count]
