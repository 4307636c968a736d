"""What a loss is told about a batch, beside the embeddings, and what all losses have in common."""

from dataclasses import dataclass, fields, replace
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """What is known of Q queries and P different passages of a batch.

    Attributes:
        positive: [Q] the row of the passages that is each query's positive.
        drawn: [Q, P] bool, the positive and the hard negatives that were drawn for the query.
        relevant: [Q, P] bool, the known relevant passages of the query.
        positives: [Q, P] bool, those of them that are positives.
        teacher: [Q, P] float32, a teacher's scores, NaN where it gave none; None where nothing is distilled.
    """

    positive: Tensor
    drawn: Tensor
    relevant: Tensor
    positives: Tensor
    teacher: Tensor | None = None

    def negatives(self, in_batch: bool) -> Tensor:
        """[Q, P] bool: the passages a query learns to score low, which are never known to be relevant for it.

        Args:
            in_batch: Whether what was drawn for the other queries counts too.
        """
        return self._others(in_batch) & ~self.relevant

    def masked_share(self, in_batch: bool) -> float:
        """The share of would-be negatives that are none because they are known to be relevant."""
        others = self._others(in_batch)
        return float((others & self.relevant).sum()) / max(float(others.sum()), 1.0)

    def scored(self) -> tuple[Tensor, Tensor]:
        """The teacher's scores [Q, P], 0 where it gave none, and [Q, P] bool, the drawn passages that have one.

        Raises:
            ValueError: There is no teacher.
        """
        if self.teacher is None:
            raise ValueError("a loss that learns from a teacher got a batch without a teacher's scores")
        return self.teacher.nan_to_num(), self.drawn & ~self.teacher.isnan()

    def scored_share(self) -> float:
        """The share of drawn passages that have a teacher's score."""
        return float(self.scored()[1].sum()) / float(self.drawn.sum())

    def _others(self, in_batch: bool) -> Tensor:
        others = torch.ones_like(self.drawn) if in_batch else self.drawn
        return others.scatter(1, self.positive[:, None], value=False)

    def to(self, device: torch.device | str) -> "Targets":
        """The same on another device."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {name: tensor.to(device) for name, tensor in tensors.items() if tensor is not None}
        return replace(self, **moved)


class Loss(Protocol):
    """A loss of a batch. It depends on the encoder through the embeddings only, so that GradCache works with any."""

    def __call__(self, queries: Tensor, passages: Tensor, targets: Targets) -> Tensor:
        """The loss, a scalar in float32 or finer, of [Q, d] and [P, d] embeddings, each different passage text once."""
        ...

    def measures(self, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
        """What the training's log keeps of a batch beside the loss, by name; no gradients are on."""
        ...
