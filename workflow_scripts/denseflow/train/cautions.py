"""What looks wrong about a training before it starts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from denseflow.contract import Contract

FEW_STEPS = 10
MANY_LACKING = 0.1
"""The share of examples short of negatives from which on it is worth a warning."""
MANY_CUT = {"queries": 0.1, "passages": 0.5, "pairs": 0.5}
"""The same for texts that are cut. Of a passage the beginning often says enough."""
SMALL_BATCH = 4
"""An epoch's last batch is small if this many of it make less than a whole one."""
USUAL_RATES = {"all": (1e-7, 1e-3), "lora": (1e-5, 1e-2), "bitfit": (1e-5, 1e-1)}
FLAT, STEEP = 0.5, 0.5
"""Temperatures from which on cosines, and below which scores without bounds, are hard to learn from."""

_IN_BATCH = {"infonce": True, "triplet": True, "simcse": True, "mixcse": True}
_MAX_LENGTH = {"queries": "query_max_length", "passages": "passage_max_length", "pairs": "pair_max_length"}


@dataclass(frozen=True)
class Cut:
    """The share of texts that are longer than ``tokens``, the maximum."""

    share: float
    tokens: int


def has_in_batch_negatives(loss: Mapping[str, Any]) -> bool:
    """Whether a loss tells a query's positive from the other queries' passages."""
    return bool(loss.get("in_batch_negatives", _IN_BATCH.get(loss["name"], False) or loss.get("infonce_weight")))


def cautions(
    recipe: dict[str, Any], facts: dict[str, Any], contract: Contract | None, cut: Mapping[str, Cut]
) -> list[str]:
    """Warnings, each with what to do.

    Args:
        recipe: How the model is trained.
        facts: What :func:`denseflow.train.preflight.preflight` counts.
        contract: The encoder's; None for a cross-encoder.
        cut: Of each kind of text, how many are cut.
    """
    return [*_of_length(recipe, facts), *_of_data(recipe, facts, cut), *_of_numbers(recipe, contract)]


def _of_length(recipe: dict[str, Any], facts: dict[str, Any]) -> Iterator[str]:
    steps, warmup = facts["steps"], facts["warmup_steps"]
    if steps < FEW_STEPS:
        yield f"only {steps} optimizer steps: too few to learn from; raise recipe.epochs or lower recipe.batch_size"
    if 2 * warmup > steps:
        yield (
            f"the learning rate rises for {warmup} of the {steps} steps; lower recipe.warmup_ratio "
            f"({recipe['warmup_ratio']:g}), or train longer"
        )


def _of_data(recipe: dict[str, Any], facts: dict[str, Any], cut: Mapping[str, Cut]) -> Iterator[str]:
    size, draws, lacking = recipe["batch_size"], facts["draws_per_epoch"], facts["examples_lacking_negatives"]
    if lacking > MANY_LACKING * facts["examples"]:
        yield (
            f"{lacking} of {facts['examples']} examples have fewer than {recipe['negatives_per_query']} negatives, "
            "and give all they have; mine more, or lower recipe.negatives_per_query"
        )
    by_query = recipe.get("queries_per_passage") is None
    if by_query and size > draws:
        yield f"recipe.batch_size is {size}, but an epoch has {draws} queries, so that each batch is an epoch; lower it"
    elif by_query and has_in_batch_negatives(recipe["loss"]) and 0 < SMALL_BATCH * (draws % size) < size:
        yield (
            f"the last batch of each epoch has {draws % size} instead of {size} queries, and so few negatives; choose "
            "another recipe.batch_size"
        )
    for what, of in cut.items():
        if of.share > MANY_CUT[what]:
            yield (
                f"{100 * of.share:.0f}% of the {what} are cut at {of.tokens} tokens; raise contract."
                f"{_MAX_LENGTH[what]} if the model takes more, or cut long texts into several"
            )


def _of_numbers(recipe: dict[str, Any], contract: Contract | None) -> Iterator[str]:
    rate, kind = recipe["learning_rate"], recipe.get("weights", "all")
    low, high = USUAL_RATES[kind]
    if not low <= rate <= high:
        yield (
            f"recipe.learning_rate is {rate:g}; usual for `weights: {kind}` are {low:g} to {high:g}: "
            f"{'the model may break' if rate > high else 'little will be learnt'}"
        )
    temperature = recipe["loss"].get("temperature")
    if contract is None or temperature is None:
        return
    bounded = contract.normalize or contract.similarity == "cosine"
    if bounded and temperature >= FLAT:
        yield (
            f"recipe.loss.temperature is {temperature:g}, and cosines lie between -1 and 1: such logits cannot tell a "
            "positive from many negatives; 0.01 to 0.1 is usual"
        )
    if not bounded and temperature < STEEP:
        yield (
            f"recipe.loss.temperature is {temperature:g}, and the scores of vectors of any length have no bounds: such "
            "logits are often all or nothing; 1 is usual, or set contract.normalize"
        )
