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
