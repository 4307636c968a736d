"""The train stage: fine-tune an encoder, and write it as an ordinary sentence-transformers folder."""

import logging
import math
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from transformers import PreTrainedModel

from denseflow.contract import apply_contract
from denseflow.device import choose_device, set_threads
from denseflow.encoder import load_encoder, save_encoder
from denseflow.errors import DenseflowError
from denseflow.files import sha256, write_jsonl
from denseflow.manifest import read_manifest, write_manifest
from denseflow.negatives.training_file import read_training_file
from denseflow.progress import progress
from denseflow.train.arguments import count_steps, training_arguments, usable_precision
from denseflow.train.batches import Batches
from denseflow.train.checkpoints import Checkpoints
from denseflow.train.dropout import set_dropout
from denseflow.train.examples import Draws
from denseflow.train.interruption import stop_on_signal
from denseflow.train.losses.build import make_loss
from denseflow.train.losses.model_fit import refuse_unfit_model
from denseflow.train.plans import BatchPlan, ByPassage, ByQuery
from denseflow.train.preflight import preflight
from denseflow.train.resumable import CheckpointTimes, Keeping
from denseflow.train.step_progress import StepProgress
from denseflow.train.trainer import RetrieverTrainer

LOG = logging.getLogger("denseflow")

MODEL = "model"
HISTORY = "log.jsonl"


def train(
    base_manifest: Path,
    training_file: Path,
    recipe: dict[str, Any],
    folder: Path,
    work: Path,
    *,
    seed: int,
    granted_gpus: int,
    threads: int,
    micro_batch: int | None,
    checkpoint_minutes: float,
    contract: dict[str, Any],
    code: str = "",
    checkpoint_steps: int | None = None,
) -> dict[str, Any]:
    """Train an encoder, going on from the newest whole checkpoint of the very same training in ``work``.

    Writes ``folder``/model, log.jsonl (a line every so many steps: step, epoch, loss, learning_rate, grad_norm,
    sequences_per_second, and masked_negatives, the share of would-be negatives that are known to be relevant) and,
    last, manifest.json. Then removes ``work``.

    Args:
        base_manifest: The manifest of the encoder to start from, whose folder is ``model`` beside it.
        training_file: Training data in Tevatron's jsonl.
        recipe: loss (name, temperature, in_batch_negatives), batch_size, negatives_per_query, epochs, max_steps,
            learning_rate, warmup_ratio, weight_decay, schedule, max_grad_norm, accumulation, precision,
            gradient_checkpointing, positive, positives_per_query, dropout. max_steps and dropout may be missing.
        folder: Where the results go.
        work: A folder for checkpoints, which this training may delete.
        seed: Of draws, order and dropout.
        granted_gpus: As many GPUs as the workflow granted; the training uses one.
        threads: CPU threads.
        micro_batch: Sequences whose activations are held at once, by GradCache; None: the whole batch's. Values
            above 32 act as 32. From 32 on, this changes no result beyond floating point.
        checkpoint_minutes: Time between checkpoints.
        contract: What differs from the base encoder's contract; None or a missing key keeps it.
        code: The fingerprint of the code, so that no checkpoint of other code is resumed.
        checkpoint_steps: Steps between further checkpoints.

    Returns:
        The manifest.

    Raises:
        DenseflowError: An input is broken, the loss is not finite, or the process was told to stop; in the last case
            a checkpoint is kept.
    """
    set_threads(threads)
    device = choose_device(granted_gpus)
    precision = usable_precision(recipe["precision"], device)
    read_manifest(base_manifest)
    inputs = {"base": sha256(base_manifest), "training_file": sha256(training_file)}
    training_set = read_training_file(training_file)
    model = load_encoder(base_manifest.parent / MODEL, device=device)
    kept_contract = apply_contract(model, contract)
    _prepare_model(model, recipe)
    refuse_unfit_model(recipe, model)

    draws = Draws(
        training_set,
        seed=seed,
        negatives_per_query=recipe["negatives_per_query"],
        positive=recipe["positive"],
        positives_per_query=recipe["positives_per_query"],
    )
    plan = _plan(draws, recipe, seed)
    steps = count_steps(recipe, len(plan))
    found = preflight(training_set, draws, recipe, model, steps=steps, seed=seed)
    definition = {
        "recipe": recipe,
        "contract": kept_contract.as_dict(),
        "seed": seed,
        "precision": precision,
        "device": torch.device(device).type,
        "inputs": inputs,
        "code": code,
        "versions": {package: version(package) for package in ("torch", "transformers", "sentence-transformers")},
    }
    checkpoints = Checkpoints(work, definition)
    with stop_on_signal() as stop:
        trainer = RetrieverTrainer(
            model,
            training_arguments(recipe, steps=steps, precision=precision, device=device, seed=seed, work=work),
            draws,
            plan,
            Batches(model, training_set, seed=seed, micro_batch=micro_batch),
            make_loss(recipe, kept_contract.similarity),
            Keeping(checkpoints, CheckpointTimes(checkpoint_minutes, checkpoint_steps), stop),
            grad_cache=micro_batch is not None,
        )
        _run(trainer, checkpoints.newest(), steps)
    _refuse_broken_weights(model)

    folder.mkdir(parents=True, exist_ok=True)
    save_encoder(model, folder / MODEL)
    write_jsonl(folder / HISTORY, trainer.state.log_history)
    # The history holds speeds, which differ each time: in the manifest it would make later stages run again.
    files = [str(path.relative_to(folder)) for path in (folder / MODEL).rglob("*") if path.is_file()]
    manifest = write_manifest(
        folder,
        "train",
        files,
        packages=("torch", "transformers", "sentence-transformers", "accelerate"),
        recipe=recipe,
        contract=kept_contract.as_dict(),
        seed=seed,
        device=torch.device(device).type,
        precision=precision,
        inputs=inputs,
        counts=found.facts,
        warnings=found.warnings,
    )
    shutil.rmtree(work, ignore_errors=True)
    return manifest


def _plan(draws: Draws, recipe: dict[str, Any], seed: int) -> BatchPlan:
    queries_per_passage = recipe.get("queries_per_passage")
    if queries_per_passage is not None:
        return ByPassage(draws, recipe["batch_size"], queries_per_passage, seed)
    return ByQuery(len(draws), recipe["batch_size"], seed)


def _prepare_model(model: SentenceTransformer, recipe: dict[str, Any]) -> None:
    if recipe.get("dropout") is not None:
        set_dropout(model, recipe["dropout"])
    if recipe["gradient_checkpointing"]:
        for module in model.modules():
            if isinstance(module, PreTrainedModel):
                module.activation_checkpointing_enable({"use_reentrant": False})


def _run(trainer: RetrieverTrainer, checkpoint: Path | None, steps: int) -> None:
    done = 0
    if checkpoint is not None:
        done = int(checkpoint.name.removeprefix("step-"))
        LOG.info("training: going on after step %d, from %s", done, checkpoint)
    with progress("training steps", steps, done=done) as advance:
        trainer.add_callback(StepProgress(advance))
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))


def _refuse_broken_weights(model: SentenceTransformer) -> None:
    for name, weights in model.state_dict().items():
        if not math.isfinite(weights.float().sum()) and not torch.isfinite(weights).all():
            raise DenseflowError(
                f"training ended with weights that are not finite ({name}). No model was written. Lower "
                "recipe.learning_rate, or take precision bf16 or fp32"
            )
