"""The recipe in the words of transformers' Trainer."""

import math
import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

MOST_LOG_LINES = 500
_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


def count_steps(recipe: dict[str, Any], batches_per_epoch: int) -> int:
    """Optimizer steps of the whole training: ``max_steps`` where it is set, else ``epochs`` (a part of one too)."""
    if recipe.get("max_steps") is not None:
        return int(recipe["max_steps"])
    return math.ceil(recipe["epochs"] * math.ceil(batches_per_epoch / recipe["accumulation"]))


def training_arguments(
    recipe: dict[str, Any], *, steps: int, precision: str, device: str, seed: int, work: Path
) -> TrainingArguments:
    """The Trainer's options.

    Args:
        recipe: All keys of a recipe.
        steps: Optimizer steps of the whole training.
        precision: What :func:`denseflow.precision.usable_precision` gives.
        device: torch's name of the one device to train on.
        seed: The seed.
        work: A folder for the Trainer, which writes nothing there by itself.
    """
    on_cpu = torch.device(device).type == "cpu"
    if not on_cpu:
        os.environ["ACCELERATE_TORCH_DEVICE"] = device
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=recipe["batch_size"],
        gradient_accumulation_steps=recipe["accumulation"],
        learning_rate=recipe["learning_rate"],
        lr_scheduler_type=_SCHEDULES[recipe["schedule"]],
        warmup_steps=math.ceil(recipe["warmup_ratio"] * steps),
        weight_decay=recipe["weight_decay"],
        max_grad_norm=recipe["max_grad_norm"],
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        seed=seed,
        use_cpu=on_cpu,
        logging_steps=math.ceil(steps / MOST_LOG_LINES),
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    if not on_cpu:
        # The Trainer takes the first GPU, and all others through DataParallel; ours is the one that was leased.
        torch.cuda.set_device(device)
        arguments.__dict__["_setup_devices"] = torch.device(device)
        arguments._n_gpu = 1
    return arguments
