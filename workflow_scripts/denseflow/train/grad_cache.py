"""GradCache: the gradient of a whole batch with the memory of one piece of it.

Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"
(https://arxiv.org/abs/2101.06983), section 3.2. The loss depends on the encoder through the embeddings only, so its
gradient is the sum, over the pieces, of the embeddings' gradients times the embeddings' Jacobian.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from denseflow.encoder import embed
from denseflow.train.processes import ALONE, Processes

Features = dict[str, Any]
"""A piece of tokenised texts, as the model takes it: tensors [n, length] by name, and the ``seed`` of its dropout. An
encoder's has its ``kind`` too."""


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
    """Forward and backward of one batch, piece by piece, in one process or several.

    The loss sees the embeddings of the whole batch, and its gradient with respect to them is sent back through each
    piece: through the graph that is still there, or, with ``recompute``, through one that is made again.
    """

    def __init__(
        self,
        encode: Callable[[Features], Tensor],
        backward: Callable[[Tensor], None],
        *,
        learns: Callable[[Features], bool] = lambda piece: True,
        recompute: bool = True,
        processes: Processes = ALONE,
    ) -> None:
        """Set up the step.

        Args:
            encode: [n, d] embeddings of a piece of n texts, the same each time; may run under autocast.
            backward: Adds a scalar's gradient to the parameters; accelerate's, which scales it for float16.
            learns: Whether any parameter has a gradient from a piece.
            recompute: Whether to hold the activations of one piece at a time, and to encode each piece twice.
            processes: Those that share the pieces of a batch.
        """
        self.encode, self.backward, self.learns, self.recompute = encode, backward, learns, recompute
        self.processes = processes

    def step(
        self, groups: Sequence[Sequence[Features]], loss_function: Callable[..., Tensor], *, weight: float = 1.0
    ) -> Tensor:
        """Add ``weight`` times the gradient of the batch's loss, the part of it that comes from this process's pieces.

        Args:
            groups: The pieces, in groups, such as those of the queries and those of the passages.
            loss_function: The loss of the embeddings of each group, [n, d] in float32 or finer.
            weight: Such as one over the number of accumulated batches.

        Returns:
            The loss of the whole batch, a scalar.
        """
        pieces = [piece for group in groups for piece in group]
        lengths = [len(piece["input_ids"]) for piece in pieces]
        mine = self.processes.share([piece["input_ids"].numel() for piece in pieces])
        encoded = {place: self.forward(pieces[place]) for place in mine}
        embeddings = self.processes.gather({place: rows.detach() for place, rows in encoded.items()}, lengths)
        # What is drawn in the loss is drawn with the batch's seed, for the same reason as in encode_piece.
        torch.manual_seed(pieces[0]["seed"])
        sizes = [sum(len(piece["input_ids"]) for piece in group) for group in groups]
        loss, cache = self.build_cache(embeddings.split(sizes), loss_function)
        gradients = (weight * cache).split(lengths)
        for place in mine:
            if self.learns(pieces[place]):
                self.send_back(pieces[place], encoded.pop(place), gradients[place])
        return loss

    def forward(self, piece: Features) -> Tensor:
        """[n, d] embeddings of a piece; no activations are kept where they are computed again."""
        with torch.set_grad_enabled(not self.recompute):
            embeddings = self.encode(piece)
        # Gradients of a half precision's embeddings would be cut to its range before float16's scaler acts.
        return embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))

    def build_cache(self, embeddings: Sequence[Tensor], loss_function: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
        """The loss of the groups' embeddings, and its gradient with respect to all of them, in one tensor."""
        leaves = [group.clone().requires_grad_() for group in embeddings]
        with torch.enable_grad():
            loss = loss_function(*leaves)
        return loss.detach(), torch.cat(torch.autograd.grad(loss, leaves))

    def send_back(self, piece: Features, embeddings: Tensor, gradient: Tensor) -> None:
        """Send a piece's rows of the cached gradient [n, d] through its graph, to the parameters."""
        if self.recompute:
            embeddings = self.encode(piece)
        self.backward((embeddings * gradient).sum())
