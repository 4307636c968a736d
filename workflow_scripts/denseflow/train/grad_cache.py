"""GradCache: the gradient of a whole batch with the memory of one piece of it.

Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"
(https://arxiv.org/abs/2101.06983), section 3.2. The loss depends on the encoder through the embeddings only, so its
gradient is the sum, over the pieces, of the embeddings' gradients times the embeddings' Jacobian.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from denseflow.encoder import embed, learns

Features = dict[str, Any]
"""A piece of tokenised texts, as the encoder takes it: tensors [n, length] by name, ``kind`` and ``seed``."""


def encode_piece(model: torch.nn.Module, piece: Features) -> Tensor:
    """[n, d] embeddings of a piece, with the dropout that the piece's ``seed`` gives.

    Each piece starts from its own seed, so that the same piece is encoded with the same dropout in each pass, after a
    resume, and whether or not GradCache is used.
    """
    torch.manual_seed(piece["seed"])
    features = {name: value for name, value in piece.items() if name not in ("kind", "seed")}
    return embed(model, features, piece["kind"])


def encode_pieces(model: torch.nn.Module, pieces: Sequence[Features]) -> Tensor:
    """[n, d] embeddings of all pieces, in one graph where gradients are on."""
    return torch.cat([encode_piece(model, piece) for piece in pieces])


class GradCache:
    """Forward and backward of one batch, piece by piece."""

    def __init__(self, model: torch.nn.Module, backward: Callable[[Tensor], None]) -> None:
        """Work on ``model``.

        Args:
            model: The encoder, whose forward may run under autocast.
            backward: Adds a scalar's gradient to the parameters; accelerate's, which scales it for float16.
        """
        self.model = model
        self.backward = backward

    def step(
        self,
        queries: Sequence[Features],
        passages: Sequence[Features],
        loss_function: Callable[[Tensor, Tensor], Tensor],
        *,
        weight: float = 1.0,
    ) -> Tensor:
        """Add ``weight`` times the gradient of the batch's loss to the parameters; returns the loss, a scalar.

        Args:
            queries: The pieces of the queries.
            passages: The pieces of the passages.
            loss_function: The loss of ([Q, d], [P, d]) embeddings.
            weight: Such as one over the number of accumulated batches.
        """
        query_embeddings = self.forward_no_grad(queries)
        passage_embeddings = self.forward_no_grad(passages)
        loss, query_cache, passage_cache = self.build_cache(query_embeddings, passage_embeddings, loss_function)
        self.forward_backward(queries, query_cache * weight)
        self.forward_backward(passages, passage_cache * weight)
        return loss

    def forward_no_grad(self, pieces: Sequence[Features]) -> Tensor:
        """[n, d] embeddings, keeping no activations."""
        with torch.no_grad():
            return encode_pieces(self.model, pieces)

    def build_cache(
        self, queries: Tensor, passages: Tensor, loss_function: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The loss, and its gradients [Q, d] and [P, d] with respect to the embeddings."""
        queries, passages = queries.detach().requires_grad_(), passages.detach().requires_grad_()
        with torch.enable_grad():
            loss = loss_function(queries, passages)
        query_gradient, passage_gradient = torch.autograd.grad(loss, (queries, passages))
        return loss.detach(), query_gradient, passage_gradient

    def forward_backward(self, pieces: Sequence[Features], cache: Tensor) -> None:
        """Encode each piece again, with a graph, and send its rows of the cached gradient [n, d] through it.

        Pieces of a side that does not learn are passed over.
        """
        if not learns(self.model, pieces[0]["kind"]):
            return
        start = 0
        for piece in pieces:
            embeddings = encode_piece(self.model, piece)
            gradient = cache[start : start + len(embeddings)]
            self.backward((embeddings * gradient).sum())
            start += len(embeddings)
