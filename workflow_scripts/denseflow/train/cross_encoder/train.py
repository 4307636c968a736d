"""Train a cross-encoder, and write it as an ordinary sentence-transformers CrossEncoder folder."""

from pathlib import Path
from typing import Any

from denseflow.attention import check_attention, set_attention
from denseflow.contract import passage_text
from denseflow.cross_encoder import read_pair_contract, save_cross_encoder, tokenize_pairs
from denseflow.device import choose_device, set_threads
from denseflow.manifest import read_manifest
from denseflow.negatives.training_file import TrainingSet, read_training_file
from denseflow.precision import usable_precision
from denseflow.train.arguments import count_steps, training_arguments
from denseflow.train.cautions import Cut
from denseflow.train.cross_encoder.batches import PairBatches
from denseflow.train.cross_encoder.to_train import CrossEncoderToTrain, cross_encoder_to_train
from denseflow.train.cross_encoder.trainer import CrossEncoderTrainer
from denseflow.train.definition import definition, digests
from denseflow.train.examples import Draws, make_draws
from denseflow.train.finished import MODEL, refuse_broken_weights
from denseflow.train.losses.bce import BinaryCrossEntropy
from denseflow.train.losses.lce import LocalizedContrastive
from denseflow.train.losses.pairs import PairLoss
from denseflow.train.plans import make_plan
from denseflow.train.preflight import preflight
from denseflow.train.session import Session
from denseflow.train.steering import Keeping
from denseflow.train.trackers import make_trackers
from denseflow.train.trained_weights import ADAPTER
from denseflow.train.where import Where

SAMPLE = 1000
"""Pairs whose lengths are looked at before training."""

_LOSSES: dict[str, type[PairLoss]] = {"lce": LocalizedContrastive, "bce": BinaryCrossEntropy}


def train_cross_encoder(
    base_manifest: Path,
    training_file: Path,
    recipe: dict[str, Any],
    folder: Path,
    work: Path,
    *,
    contract: dict[str, Any],
    seed: int,
    where: Where,
    code: str = "",
) -> dict[str, Any] | None:
    """Train a cross-encoder, going on from the newest whole checkpoint of the very same training in ``work``.

    Writes what :func:`denseflow.train.train.train` writes for an encoder; log.jsonl has ``positive_first``, the share
    of queries whose positive scores higher than the negatives drawn for it.

    Args:
        base_manifest: The manifest of the model to start from, in ``model`` beside it: a cross-encoder, or an encoder,
            which gets a new head.
        training_file: Training data in Tevatron's jsonl.
        recipe: The keys of :class:`denseflow.config.recipe.Recipe`; those whose value is neutral may be missing.
        folder: Where the results go.
        work: A folder for checkpoints, which this training may delete.
        contract: What differs from the base's contract; None or a missing key keeps it.
        seed: Of the head's first weights, draws, order and dropout.
        where: Where and with how much.
        code: The fingerprint of the code, so that no checkpoint of other code is resumed.

    Returns:
        The manifest; None from all processes but the first.

    Raises:
        DenseflowError: An input is broken, no query has a negative, the loss is not finite, or the process was told to
            stop; in the last case a checkpoint is kept.
    """
    processes = where.processes
    trackers = make_trackers(where.tensorboard, where.wandb) if processes.first else []
    set_threads(where.threads)
    device = processes.device or choose_device(where.granted_gpus)
    precision = usable_precision(recipe["precision"], device, "recipe.precision")
    check_attention(where.attention, device, precision, "recipe.precision")

    read_manifest(base_manifest)
    inputs = digests(base=base_manifest, training_file=training_file)
    training_set = read_training_file(training_file)
    trained = cross_encoder_to_train(base_manifest.parent / MODEL, recipe, contract, seed=seed, device=device)
    model, whole_contract = trained.model, trained.contract.as_dict()
    set_attention(model, where.attention)
    draws = make_draws(training_set, recipe, seed)
    plan = make_plan(draws, recipe, seed)
    steps = count_steps(recipe, len(plan))
    cut = {"pairs": _cut(trained, training_set, draws)}
    found = preflight(training_set, draws, recipe, model, None, cut, steps=steps, batches_per_epoch=len(plan))

    defined = definition(
        recipe, contract=whole_contract, seed=seed, precision=precision, device=device, inputs=inputs, code=code
    )
    session = Session(defined, found, folder, work, where)

    def make_trainer(keeping: Keeping) -> CrossEncoderTrainer:
        return CrossEncoderTrainer(
            model,
            training_arguments(recipe, steps=steps, precision=precision, device=device, seed=seed, work=work),
            draws,
            plan,
            PairBatches(model, training_set, seed=seed, micro_batch=where.micro_batch),
            _LOSSES[recipe["loss"]["name"]](),
            keeping,
            trackers,
            processes,
            grad_cache=where.micro_batch is not None,
        )

    trainer = session.run(make_trainer)
    if not processes.first:
        return None
    return session.write(trainer, _write_model(trained, folder), kind="cross_encoder", new_weights=trained.new)


def _cut(trained: CrossEncoderToTrain, training_set: TrainingSet, draws: Draws) -> Cut:
    """How many of the first draws' positive pairs are longer than the model takes."""
    contract = read_pair_contract(trained.model)
    some = [draws[0, index] for index in range(0, len(draws), -(-len(draws) // SAMPLE))]
    pairs = [
        (draws.examples[draw.example].query, passage_text(training_set.passages[draw.positive], contract))
        for draw in some
    ]
    longest = contract.pair_max_length
    # One token more than the model takes is enough to see that a pair is too long.
    lengths = tokenize_pairs(trained.model, pairs, max_length=longest + 1)["attention_mask"].sum(1)
    return Cut(float((lengths > longest).float().mean()), longest)


def _write_model(trained: CrossEncoderToTrain, folder: Path) -> list[str]:
    """Write ``folder``/model and, where the recipe keeps it, the adapter; return their files, relative to it."""
    folder.mkdir(parents=True, exist_ok=True)
    refuse_broken_weights(trained.model)
    trained.weights.finish(folder)
    save_cross_encoder(trained.model, folder / MODEL)
    found = [path for part in (MODEL, ADAPTER) for path in (folder / part).rglob("*")]
    return [str(path.relative_to(folder)) for path in found if path.is_file()]
