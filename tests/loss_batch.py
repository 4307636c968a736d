"""A batch of random vectors for the tests of losses, in the order in which sentence-transformers wants its columns."""

from typing import Any

import torch
from torch import Tensor

from denseflow.train.losses.targets import Loss, Targets

QUERIES, NEGATIVES, WIDTH = 5, 2, 8


def embeddings(seed: int = 0, negatives: int = NEGATIVES) -> tuple[Tensor, Tensor]:
    """[Q, d] queries and [Q (1 + negatives), d] passages, of different lengths."""
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(QUERIES, WIDTH, generator=generator)
    passages = torch.randn(QUERIES * (1 + negatives), WIDTH, generator=generator)
    return queries.requires_grad_(), passages.requires_grad_()


def masks(negatives: int = NEGATIVES) -> dict[str, Any]:
    """Query i has the positive i and the hard negatives i + Q, i + 2Q, the order that sentence-transformers has."""
    drawn = torch.eye(QUERIES).bool().repeat(1, 1 + negatives)
    relevant = torch.zeros_like(drawn)
    relevant[:, :QUERIES] = torch.eye(QUERIES).bool()
    return {"positive": torch.arange(QUERIES), "drawn": drawn, "relevant": relevant, "positives": relevant.clone()}


def targets(negatives: int = NEGATIVES, **changes: Tensor) -> Targets:
    return Targets(**{**masks(negatives), **changes})


def teacher_scores(seed: int = 1, negatives: int = NEGATIVES) -> Tensor:
    """[Q, Q (1 + negatives)] scores like a cross-encoder's logits, NaN where a passage was not drawn for the query."""
    drawn = masks(negatives)["drawn"]
    scores = 5 * torch.randn(drawn.shape, generator=torch.Generator().manual_seed(seed))
    return scores.masked_fill(~drawn, torch.nan)


def labels(scores: Tensor) -> Tensor:
    """The teacher's scores [Q, 1 + negatives] as sentence-transformers takes them."""
    return scores[masks(scores.shape[1] // QUERIES - 1)["drawn"]].view(QUERIES, -1)


def columns(queries: Tensor, passages: Tensor) -> list[Tensor]:
    """The same batch as sentence-transformers' losses take it: queries, positives, negatives."""
    return [queries, *passages.split(QUERIES)]


def assert_same_value_and_gradient(ours: Tensor, other: Tensor, vectors: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(ours, other)
    found = torch.autograd.grad(ours, vectors, retain_graph=True)
    torch.testing.assert_close(found, torch.autograd.grad(other, vectors, retain_graph=True))


def assert_float32_of_half_precision(loss: Loss, given: Targets) -> None:
    """A loss of bfloat16 vectors is a float32 number near the loss of the float32 vectors, under autocast too."""
    queries, passages = (tensor.detach().bfloat16() for tensor in embeddings())
    exact = loss(queries.float(), passages.float(), given)
    assert exact.dtype == torch.float32
    torch.testing.assert_close(loss(queries, passages, given), exact, rtol=0, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss(queries.float(), passages.float(), given), exact, rtol=0, atol=0)
