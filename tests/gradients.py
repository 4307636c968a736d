"""The gradient of a training's first batch, in one graph or in pieces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tiny_training import arguments
from torch import Tensor

from denseflow.encoder import learns
from denseflow.negatives.training_file import TrainingSet, read_training_file
from denseflow.train.batches import Batches
from denseflow.train.cross_encoder.batches import PairBatches
from denseflow.train.cross_encoder.to_train import cross_encoder_to_train
from denseflow.train.cross_encoder.trainer import score_piece
from denseflow.train.encoder_to_train import encoder_to_train
from denseflow.train.examples import make_draws
from denseflow.train.grad_cache import Features, GradCache, encode_piece
from denseflow.train.losses.bce import BinaryCrossEntropy
from denseflow.train.losses.build import make_loss
from denseflow.train.losses.lce import LocalizedContrastive
from denseflow.train.plans import make_plan
from denseflow.train.processes import Processes

PAIR_LOSSES = {"lce": LocalizedContrastive, "bce": BinaryCrossEntropy}


@dataclass
class FirstBatch:
    """The first batch of a training, and what makes its loss."""

    model: torch.nn.Module
    groups: Sequence[Sequence[Features]]
    encode: Callable[[Features], Tensor]
    learns: Callable[[Features], bool]
    loss: Callable[..., Tensor]
    encoded: list[int] = field(default_factory=list)
    """The seeds of the pieces that were encoded, which name them."""

    def in_one_graph(self) -> dict[str, Tensor]:
        """The gradient by ordinary back-propagation."""
        self.loss(*(torch.cat([self.encode(piece) for piece in group]) for group in self.groups)).backward()
        return self._gradients()

    def in_pieces(self, processes: Processes, *, recompute: bool) -> dict[str, Tensor]:
        """The gradient as the trainer makes it."""

        def encode(piece: Features) -> Tensor:
            self.encoded.append(piece["seed"])
            return self.encode(piece)

        step = GradCache(encode, Tensor.backward, learns=self.learns, recompute=recompute, processes=processes)
        step.step(self.groups, self.loss)
        processes.sum_gradients(self.model.parameters())
        return self._gradients()

    def _gradients(self) -> dict[str, Tensor]:
        return {name: weights.grad for name, weights in self.model.named_parameters() if weights.grad is not None}


def first_batch(base: Path, training_file: Path, changes: dict[str, Any], seed: int = 0) -> FirstBatch:
    """The first batch of the tiny recipe with ``changes``, dropout on, in pieces of eight texts."""
    recipe = arguments(batch_size=10, positives_per_query=2, negatives_per_query=2, **changes)["recipe"]
    training_set = read_training_file(training_file)
    draws = make_draws(training_set, recipe, seed)
    drawn = [draws[key] for key in next(iter(make_plan(draws, recipe, seed)))]
    folder = base.parent / "model"
    if recipe["loss"]["name"] in PAIR_LOSSES:
        model = cross_encoder_to_train(folder, recipe, {}, seed=seed, device="cpu").model.train()
        batch = PairBatches(model, training_set, seed=seed, micro_batch=8)(drawn)
        pair_loss = PAIR_LOSSES[recipe["loss"]["name"]]()
        return FirstBatch(
            model,
            [batch["pairs"]],
            partial(score_piece, model),
            lambda piece: True,
            lambda scores: pair_loss(scores.squeeze(1), batch["places"]),
        )
    encoder = encoder_to_train(folder, recipe, {}, seed=seed, device="cpu")
    model, teacher = encoder.model.train(), made_up_scores(training_set)
    batch = Batches(model, training_set, seed=seed, micro_batch=8, teacher_scores=teacher)(drawn)
    loss = make_loss(recipe, encoder.contract.similarity, normalized=encoder.contract.normalize)
    return FirstBatch(
        model,
        [batch["queries"], batch["passages"]],
        partial(encode_piece, model),
        lambda piece: learns(model, piece["kind"]),
        lambda queries, passages: loss(queries, passages, batch["targets"]),
    )


def made_up_scores(training_set: TrainingSet) -> dict[str, dict[str, float]]:
    """A teacher's scores of all pairs but a few."""
    return {
        example.query_id: {
            training_set.passages[place].id: (7 * place + number) % 10 / 3
            for place in (*example.positives, *example.negatives)
            if (place + number) % 7
        }
        for number, example in enumerate(training_set.examples)
    }


def relative_difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The norm of the difference over the norm."""
    assert ours.keys() == theirs.keys()
    one, other = (torch.cat([group[name].flatten() for name in sorted(group)]) for group in (ours, theirs))
    return float((one - other).norm() / other.norm())
