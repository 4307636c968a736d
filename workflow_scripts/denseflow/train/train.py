"""The train stage: fine-tune an encoder, and write it as an ordinary sentence-transformers folder."""

import math
from pathlib import Path
from typing import Any

from denseflow.attention import check_attention, set_attention
from denseflow.device import choose_device, set_threads
from denseflow.manifest import read_manifest
from denseflow.negatives.passage_set import open_training_file
from denseflow.negatives.teacher import read_teacher_scores, scored_share
from denseflow.precision import usable_precision
from denseflow.train.arguments import count_steps, training_arguments
from denseflow.train.batches import Batches
from denseflow.train.collapse import CollapseGuard
from denseflow.train.definition import definition, digests
from denseflow.train.dev_evaluation import DevEvaluation
from denseflow.train.encoder_to_train import encoder_to_train
from denseflow.train.examples import make_draws
from denseflow.train.finished import MODEL, write_models
from denseflow.train.kept_models import KEPT_MODELS, KeptModels
from denseflow.train.losses.build import make_loss
from denseflow.train.plans import make_plan
from denseflow.train.preflight import cut_texts, preflight
from denseflow.train.session import Session
from denseflow.train.steering import Keeping
from denseflow.train.trackers import make_trackers
from denseflow.train.trainer import RetrieverTrainer
from denseflow.train.where import Where


def train(
    base_manifest: Path,
    training_file: Path,
    recipe: dict[str, Any],
    folder: Path,
    work: Path,
    *,
    contract: dict[str, Any],
    seed: int,
    where: Where,
    evaluation: Path | None = None,
    teacher_scores: Path | None = None,
    code: str = "",
) -> dict[str, Any] | None:
    """Train an encoder, going on from the newest whole checkpoint of the very same training in ``work``.

    Writes ``folder``/model, log.jsonl (a line every so many steps: step, epoch, loss, learning_rate, grad_norm,
    sequences_per_second, what the loss measures, and what :func:`denseflow.train.collapse.space_measures` does), its
    curves (curves.tsv, curves.svg), preflight.json and, last, manifest.json. Then removes ``work``. When the training
    ends early, the log and the curves so far are in ``work``.

    Args:
        base_manifest: The manifest of the encoder to start from, whose folder is ``model`` beside it.
        training_file: Training data in Tevatron's jsonl.
        recipe: The keys of :class:`denseflow.config.recipe.Recipe`; those whose value is neutral may be missing.
        folder: Where the results go.
        work: A folder for checkpoints, which this training may delete.
        contract: What differs from the base encoder's contract; None or a missing key keeps it.
        seed: Of draws, order, dropout and new weights.
        where: Where and with how much.
        evaluation: The manifest of the dataset that ``recipe["evaluate"]`` says to score on.
        teacher_scores: A teacher's scores of the training file's pairs, for the losses that learn from them.
        code: The fingerprint of the code, so that no checkpoint of other code is resumed.

    Returns:
        The manifest; None from all processes but the first.

    Raises:
        DenseflowError: An input is broken, the loss is not finite, or the process was told to stop; in the last case
            a checkpoint is kept.
    """
    processes = where.processes
    trackers = make_trackers(where.tensorboard, where.wandb) if processes.first else []
    set_threads(where.threads)
    device = processes.device or choose_device(where.granted_gpus)
    precision = usable_precision(recipe["precision"], device, "recipe.precision")
    check_attention(where.attention, device, precision, "recipe.precision")

    read_manifest(base_manifest)
    inputs = digests(
        base=base_manifest, training_file=training_file, evaluation=evaluation, teacher_scores=teacher_scores
    )
    training_set = open_training_file(training_file, inputs["training_file"])
    teacher = None if teacher_scores is None else read_teacher_scores(teacher_scores)
    encoder = encoder_to_train(base_manifest.parent / MODEL, recipe, contract, seed=seed, device=device)
    model, whole_contract = encoder.model, encoder.contract.as_dict()
    set_attention(model, where.attention)
    draws = make_draws(training_set, recipe, seed)
    plan = make_plan(draws, recipe, seed)
    steps = count_steps(recipe, len(plan))
    found = preflight(
        training_set,
        draws,
        recipe,
        model,
        encoder.contract,
        cut_texts(model, training_set, seed),
        steps=steps,
        batches_per_epoch=len(plan),
    )

    defined = definition(
        recipe, contract=whole_contract, seed=seed, precision=precision, device=device, inputs=inputs, code=code
    )
    session = Session(defined, found, folder, work, where)
    length = {"steps_per_epoch": math.ceil(len(plan) / recipe["accumulation"]), "steps": steps}
    scoring = kept = None
    if evaluation is not None and processes.first:
        best = session.checkpoints.folder / "best"
        scoring = DevEvaluation(evaluation, model, recipe["evaluate"], best, seed=seed, threads=where.threads, **length)
    if "keep_models" in recipe and processes.first:
        kept = KeptModels(model, recipe["keep_models"], session.checkpoints.folder / KEPT_MODELS, **length)

    def make_trainer(keeping: Keeping) -> RetrieverTrainer:
        trainer = RetrieverTrainer(
            model,
            training_arguments(recipe, steps=steps, precision=precision, device=device, seed=seed, work=work),
            draws,
            plan,
            Batches(model, training_set, seed=seed, micro_batch=where.micro_batch, teacher_scores=teacher),
            make_loss(recipe, encoder.contract.similarity, normalized=encoder.contract.normalize, steps=steps),
            keeping,
            [CollapseGuard(), *trackers, *(callback for callback in (scoring, kept) if callback is not None)],
            processes,
            grad_cache=where.micro_batch is not None,
        )
        if scoring is not None:
            scoring.note = trainer.note
        return trainer

    trainer = session.run(make_trainer)
    if not processes.first:
        return None
    return session.write(
        trainer,
        write_models(encoder, folder, scoring, kept),
        teacher=None if teacher is None else {"scored_share": scored_share(training_set, teacher)},
        evaluation=None if scoring is None else scoring.summary(),
        kept_models=[] if kept is None else kept.steps,
    )
