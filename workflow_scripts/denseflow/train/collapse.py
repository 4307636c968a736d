"""A collapsed space, whose vectors are all alike or all empty: seen in the log of a training, and a reason to stop."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import TrainerCallback, TrainerState, TrainingArguments

from denseflow.errors import DenseflowError
from denseflow.train.losses.targets import Loss, Targets

MOST_PASSAGES = 256
"""Passages of a batch whose cosines are looked at."""
ALIKE, SPREAD = 0.98, 0.01
"""Mean and standard deviation of the passages' cosines beyond which they are alike."""
NO_BETTER = 0.98
"""The share of the chance loss from which on a loss is no better."""
LEAST_STEPS, SHARE_OF_STEPS, LEAST_LINES = 20, 0.05, 3


@torch.no_grad()
def space_measures(loss: Loss, queries: Tensor, passages: Tensor, targets: Targets) -> dict[str, float]:
    """What a batch says of the space.

    Args:
        loss: The loss of the batch.
        queries: [Q, d] embeddings.
        passages: [P, d] embeddings, each different passage text once.
        targets: What is known of the batch.

    Returns:
        ``passage_cosine``, the mean cosine of two different passages, ``passage_cosine_spread``, the standard
        deviation of these cosines, and ``chance_loss``, the loss if all vectors were the same.
    """
    chance = float(loss(torch.ones_like(queries), torch.ones_like(passages), targets))
    some = passages[:: -(-len(passages) // MOST_PASSAGES)].float()
    some = F.normalize(some, dim=-1)
    different = torch.triu_indices(len(some), len(some), offset=1, device=some.device)
    cosines = (some @ some.T)[different[0], different[1]]
    if len(cosines) < 2:
        return {"chance_loss": chance}
    return {
        "passage_cosine": float(cosines.mean()),
        "passage_cosine_spread": float(cosines.std()),
        "chance_loss": chance,
    }


class CollapseGuard(TrainerCallback):
    """Stops a training whose log shows for a while that all vectors are alike and that nothing is learnt.

    Some good models start with cosines close to 1 (anisotropy), and a random one may; so it takes all of this, after
    the warm-up, in each line of the log over 20 steps and a twentieth of the training: cosines that are all close to 1
    (dropout keeps them from being 1), and a loss that is on average no better than that of equal vectors. A sparse
    encoder has collapsed, too, where no query or no passage of these lines has a term: no gradient brings one back.
    """

    def on_log(self, args: TrainingArguments, state: TrainerState, control: Any, **others: Any) -> None:
        """Look at the last lines.

        Raises:
            DenseflowError: The space has collapsed.
        """
        needed = max(LEAST_STEPS, SHARE_OF_STEPS * state.max_steps)
        first = state.global_step - needed
        if first < args.warmup_steps:
            return
        lines = [line for line in state.log_history if line["step"] > first and "passage_cosine" in line]
        for kind, key in (("queries", "query_terms"), ("passages", "passage_terms")):
            if len(lines) >= LEAST_LINES and all(line.get(key) == 0 for line in lines):
                raise DenseflowError(
                    f"training stopped at step {state.global_step}: the space has collapsed. For {needed:.0f} steps no "
                    f"{kind} have had a term left, and nothing can be found by them. No model was written. Lower the "
                    "weights in recipe.flops, lengthen recipe.flops.warmup_ratio, or lower recipe.learning_rate"
                )
        if len(lines) < LEAST_LINES or not all(_alike(line) for line in lines):
            return
        loss, chance = (sum(line[name] for line in lines) for name in ("loss", "chance_loss"))
        if loss < NO_BETTER * chance:
            return
        last = lines[-1]
        raise DenseflowError(
            f"training stopped at step {state.global_step}: the space has collapsed. For {needed:.0f} steps all "
            f"passages have had nearly the same vector (mean cosine {last['passage_cosine']:.4f}, standard deviation "
            f"{last['passage_cosine_spread']:.4f}), and the loss ({loss / len(lines):.4f}) is no better than that of "
            f"equal vectors ({chance / len(lines):.4f}). No model was written. Lower recipe.learning_rate, lengthen "
            "recipe.warmup_ratio, raise recipe.loss.temperature, or lower recipe.dropout"
        )


def _alike(line: dict[str, float]) -> bool:
    return line["passage_cosine"] > ALIKE and line["passage_cosine_spread"] < SPREAD
