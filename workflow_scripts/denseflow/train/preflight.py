"""What can be said about a training before its first step."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from sentence_transformers import SentenceTransformer

from denseflow.contract import passage_text, read_contract
from denseflow.encoder import Kind, tokenize
from denseflow.errors import DenseflowError
from denseflow.negatives.training_file import TrainingSet
from denseflow.train.examples import Draws

T = TypeVar("T")

LOG = logging.getLogger("denseflow")

FEW_STEPS = 10
MANY_LACKING = 0.1
"""The share of examples short of negatives from which on it is worth a warning."""
SAMPLE = 1000
"""Texts of a kind whose lengths are looked at."""


@dataclass(frozen=True)
class Preflight:
    """The facts and warnings for the manifest."""

    facts: dict[str, Any]
    warnings: list[str]


def preflight(
    training_set: TrainingSet,
    draws: Draws,
    recipe: dict[str, Any],
    model: SentenceTransformer,
    *,
    steps: int,
    seed: int,
) -> Preflight:
    """Say what is about to be trained, and what looks wrong about it.

    Raises:
        DenseflowError: No query would have anything to be told apart from its positive.
    """
    _refuse_nothing_to_learn(training_set, draws, recipe)
    contract = read_contract(model)
    documents = training_set.passages
    longest = {"query": contract.query_max_length, "passage": contract.passage_max_length}
    queries = _cut(model, [example.query for example in _sample(draws.examples, seed)], "query", longest["query"])
    texts = [passage_text(document, contract) for document in _sample(documents, seed)]
    passages = _cut(model, texts, "passage", longest["passage"])
    lacking = draws.lacking_negatives()
    facts = {
        "steps": steps,
        "examples": len(draws.examples),
        "passages": len(documents),
        "draws_per_epoch": len(draws),
        "examples_lacking_negatives": lacking,
        "queries_cut": queries,
        "passages_cut": passages,
    }
    LOG.info(
        "training: %d steps of %d queries, %d examples, %d passages; cut are %.1f%% of the queries (at %d tokens) and "
        "%.1f%% of the passages (at %d)",
        steps,
        recipe["batch_size"] * recipe["accumulation"],
        len(draws.examples),
        len(documents),
        100 * queries,
        longest["query"],
        100 * passages,
        longest["passage"],
    )
    warnings = []
    if steps < FEW_STEPS:
        warnings.append(
            f"only {steps} optimizer steps: too few to learn from; raise recipe.epochs or lower recipe.batch_size"
        )
    if lacking > MANY_LACKING * len(draws.examples):
        warnings.append(
            f"{lacking} of {len(draws.examples)} examples have fewer than {recipe['negatives_per_query']} negatives, "
            "and give all they have; mine more, or lower recipe.negatives_per_query"
        )
    for warning in warnings:
        LOG.warning("%s", warning)
    return Preflight(facts, warnings)


def _refuse_nothing_to_learn(training_set: TrainingSet, draws: Draws, recipe: dict[str, Any]) -> None:
    hard = recipe["negatives_per_query"] > 0 and any(example.negatives for example in training_set.examples)
    in_batch = recipe["loss"]["in_batch_negatives"] and min(recipe["batch_size"], len(draws)) > 1
    if not hard and not in_batch:
        raise DenseflowError(
            "recipe: no query has a negative, so that the loss is always 0: "
            f"negatives_per_query is {recipe['negatives_per_query']}, loss.in_batch_negatives is "
            f"{recipe['loss']['in_batch_negatives']}, batch_size is {recipe['batch_size']} and there are {len(draws)} "
            "draws an epoch. Mine negatives, or take in-batch negatives and a batch of two or more"
        )


def _sample(rows: Sequence[T], seed: int) -> list[T]:
    """At most a thousand rows, chosen by the seed."""
    if len(rows) <= SAMPLE:
        return list(rows)
    return [rows[number] for number in np.random.default_rng(seed).choice(len(rows), SAMPLE, replace=False)]


def _cut(model: SentenceTransformer, texts: list[str], kind: Kind, longest: int) -> float:
    """The share of texts that are longer than ``longest`` tokens."""
    # One token more than the model takes is enough to see that a text is too long.
    features = tokenize(model, texts, kind, max_length=longest + 1)
    return float((features["attention_mask"].sum(1) > longest).float().mean())
