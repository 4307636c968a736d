"""The processes that train one model together: each encodes a share of every batch.

Every process makes the same whole batch and takes some of its pieces, each of which brings its own dropout seed. The
embeddings are gathered, the loss of the whole batch is computed alike everywhere, its gradient goes back through the
own pieces, and the parameters' gradients are summed. So the result is that of one process but for the order in which
floating-point numbers are added, dropout included, and to transformers' Trainer each process is alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from denseflow.errors import DenseflowError

BUCKET = 25_000_000
"""Numbers whose sum is asked for at once: enough for the network, little beside the weights."""
DRIFT = 1e-4
"""The relative difference of the weights' norms from which on two processes do not train the same model."""


class PeerLost(Exception):
    """Another process has ended; why is for that process to say."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train the model; one alone unless it was started by torchrun.

    Attributes:
        rank: Its number, from 0.
        count: How many there are.
        device: torch's name of the device that it was given; None where it has to choose for itself.
        stop_file: Where the launcher of several tells them to stop.
    """

    rank: int = 0
    count: int = 1
    device: str | None = None
    stop_file: Path | None = None

    @property
    def first(self) -> bool:
        """Whether this is the one that logs, scores and writes."""
        return self.rank == 0

    def share(self, sizes: Sequence[int]) -> list[int]:
        """Which pieces this process encodes: places in ``sizes``, their tokens, so that all have about as many."""
        loads, mine = [0] * self.count, []
        for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
            rank = loads.index(min(loads))
            loads[rank] += sizes[place]
            if rank == self.rank:
                mine.append(place)
        return sorted(mine)

    def gather(self, parts: Mapping[int, Tensor], lengths: Sequence[int]) -> Tensor:
        """[n, d] rows of all pieces, in order.

        Args:
            parts: This process's pieces, [rows, d] in float32 or finer, by place.
            lengths: The rows of every piece.
        """
        if self.count == 1:
            return torch.cat([parts[place] for place in range(len(lengths))])
        width = self._reduce(self._tensor([next((part.shape[1] for part in parts.values()), 0)]), dist.ReduceOp.MAX)
        rows = torch.zeros(sum(lengths), int(width), device=self.device)
        pieces = rows.split(list(lengths))
        for place, part in parts.items():
            pieces[place].copy_(part)
        return self._reduce(rows)  # adding zeros changes no bit

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give each parameter the sum of all processes' gradients; none where no process has one."""
        if self.count == 1:
            return
        learning = [weights for weights in parameters if weights.requires_grad]
        known = self._reduce(self._tensor([weights.grad is not None for weights in learning]), dist.ReduceOp.MAX)
        gradients = []
        for weights, anywhere in zip(learning, known.tolist(), strict=True):
            if anywhere:
                weights.grad = torch.zeros_like(weights) if weights.grad is None else weights.grad
                gradients.append(weights.grad)
        for bucket in _buckets(gradients):
            total = self._reduce(torch.cat([gradient.flatten() for gradient in bucket]))
            for gradient, part in zip(bucket, total.split([gradient.numel() for gradient in bucket]), strict=True):
                gradient.copy_(part.view_as(gradient))

    def agree(self, values: Sequence[int]) -> list[int]:
        """The first process's values, in all of them."""
        if self.count == 1:
            return list(values)
        said = self._tensor(values if self.first else [0] * len(values))
        return self._reduce(said).tolist()

    @torch.no_grad()
    def check_weights(self, model: torch.nn.Module) -> None:
        """Compare the processes' weights.

        Raises:
            DenseflowError: They have drifted apart.
        """
        if self.count == 1:
            return
        norm = torch.stack([weights.double().norm() for weights in model.parameters()]).norm()
        extremes = self._reduce(torch.stack([norm, -norm]), dist.ReduceOp.MAX)
        highest, lowest = float(extremes[0]), -float(extremes[1])
        if highest - lowest > DRIFT * highest:
            raise DenseflowError(
                f"the {self.count} processes have drifted apart: the norms of their weights go from {lowest} to "
                f"{highest}. No model was written. Are their devices of one kind, their files and packages the same?"
            )

    def _tensor(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self.device)

    def _reduce(self, tensor: Tensor, operation: dist.ReduceOp.RedOpType = dist.ReduceOp.SUM) -> Tensor:
        try:
            dist.all_reduce(tensor, operation)
        except RuntimeError as error:
            raise PeerLost(str(error)) from error
        return tensor


ALONE = Processes()


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for gradient in gradients:
        if bucket and sum(other.numel() for other in bucket) + gradient.numel() > BUCKET:
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket
