"""What can be said about a training before its first step."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from denseflow.contract import Contract, passage_text, read_contract
from denseflow.encoder import Kind, tokenize
from denseflow.errors import DenseflowError
from denseflow.negatives.audit import quantiles
from denseflow.negatives.training_file import TrainingSet
from denseflow.train.cautions import Cut, cautions, has_in_batch_negatives
from denseflow.train.examples import Draws

T = TypeVar("T")

LOG = logging.getLogger("denseflow")

SAMPLE = 1000
"""Texts of a kind whose lengths are looked at."""


@dataclass(frozen=True)
class Preflight:
    """The facts and warnings for the manifest: the same each time, wherever the training runs."""

    facts: dict[str, Any]
    warnings: list[str]


def preflight(
    training_set: TrainingSet,
    draws: Draws,
    recipe: dict[str, Any],
    model: torch.nn.Module,
    contract: Contract | None,
    cut: Mapping[str, Cut],
    *,
    steps: int,
    batches_per_epoch: int,
) -> Preflight:
    """Say what is about to be trained, and what looks wrong about it.

    Args:
        training_set: The examples.
        draws: What is seen of them.
        recipe: How they are trained on.
        model: What is trained; the parameters that learn require a gradient.
        contract: The encoder's; None for a cross-encoder.
        cut: What :func:`cut_texts` gives.
        steps: Optimizer steps of the whole training.
        batches_per_epoch: Batches of a pass over the data.

    Raises:
        DenseflowError: No query would have anything to be told apart from its positive.
    """
    _refuse_nothing_to_learn(training_set, draws, recipe)
    parameters = list(model.parameters())
    facts = {
        "steps": steps,
        "warmup_steps": math.ceil(recipe["warmup_ratio"] * steps),
        "epochs": round(steps / math.ceil(batches_per_epoch / recipe["accumulation"]), 3),
        "queries_per_step": min(recipe["batch_size"], len(draws)) * recipe["accumulation"],
        "examples": len(training_set.examples),
        "passages": len(training_set.passages),
        "draws_per_epoch": len(draws),
        "positives_per_query": quantiles(sorted(training_set.positives_per_query())),
        "negatives_per_query": quantiles(sorted(training_set.negatives_per_query())),
        "examples_lacking_negatives": draws.lacking_negatives(),
        "parameters": sum(weights.numel() for weights in parameters),
        "trained_parameters": sum(weights.numel() for weights in parameters if weights.requires_grad),
        **{f"{what}_cut": of.share for what, of in cut.items()},
    }
    for line in _words(facts, cut):
        LOG.info("training: %s", line)
    warnings = cautions(recipe, facts, contract, cut)
    for warning in warnings:
        LOG.warning("%s", warning)
    return Preflight(facts, warnings)


def cut_texts(model: SentenceTransformer, training_set: TrainingSet, seed: int) -> dict[str, Cut]:
    """How many queries and passages an encoder cuts, of at most a thousand of each, chosen by the seed."""
    contract = read_contract(model)
    queries = [example.query for example in _sample(training_set.examples, seed)]
    passages = [passage_text(document, contract) for document in _sample(training_set.passages, seed)]
    return {
        "queries": _cut(model, queries, "query", contract.query_max_length),
        "passages": _cut(model, passages, "passage", contract.passage_max_length),
    }


def _words(facts: dict[str, Any], cut: Mapping[str, Cut]) -> list[str]:
    lengths = [f"{100 * of.share:.1f}% of the {what} (at {of.tokens} tokens)" for what, of in cut.items()]
    return [
        f"{facts['steps']} steps of {facts['queries_per_step']} queries ({facts['epochs']:g} epochs, "
        f"{facts['warmup_steps']} steps of warm-up), {facts['examples']} examples, {facts['passages']} passages",
        f"positives a query: {_range(facts['positives_per_query'])}; negatives a query: "
        f"{_range(facts['negatives_per_query'])}; cut are {' and '.join(lengths)}",
    ]


def _range(of: Mapping[str, int]) -> str:
    return f"{of['min']} to {of['max']}, median {of['median']}"


def _refuse_nothing_to_learn(training_set: TrainingSet, draws: Draws, recipe: dict[str, Any]) -> None:
    hard = recipe["negatives_per_query"] > 0 and any(training_set.negatives_per_query())
    in_batch = has_in_batch_negatives(recipe["loss"]) and min(recipe["batch_size"], len(draws)) > 1
    if not hard and not in_batch:
        raise DenseflowError(
            "recipe: no query has a negative, so that there is nothing to learn: negatives_per_query is "
            f"{recipe['negatives_per_query']}, the loss {recipe['loss']['name']} "
            f"{'takes' if has_in_batch_negatives(recipe['loss']) else 'does not take'} negatives from the batch, "
            f"batch_size is {recipe['batch_size']} and there are {len(draws)} draws an epoch. Mine negatives, or take "
            "in-batch negatives and a batch of two or more"
        )


def _sample(rows: Sequence[T], seed: int) -> list[T]:
    if len(rows) <= SAMPLE:
        return list(rows)
    return [rows[number] for number in np.random.default_rng(seed).choice(len(rows), SAMPLE, replace=False)]


def _cut(model: SentenceTransformer, texts: list[str], kind: Kind, longest: int) -> Cut:
    # One token more than the model takes is enough to see that a text is too long.
    features = tokenize(model, texts, kind, max_length=longest + 1)
    return Cut(int((features["attention_mask"].sum(1) > longest).sum()) / len(texts), longest)
