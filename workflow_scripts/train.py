"""Fine-tune a model, resuming where an interrupted run of the same training stopped."""

import json
from pathlib import Path

from denseflow.imports import importing
from denseflow.manifest import read_manifest
from denseflow.stage_log import stage_log

with importing():
    from denseflow.train.cross_encoder.train import train_cross_encoder
    from denseflow.train.launch import launch
    from denseflow.train.train import train
    from denseflow.train.where import Where

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    negatives, teacher = snakemake.input.get("negatives"), snakemake.input.get("teacher")
    for manifest in (negatives, teacher):
        if manifest is not None:
            read_manifest(Path(manifest))
    evaluation = snakemake.input.get("evaluation")
    arguments = {
        "base_manifest": Path(snakemake.input.base),
        "training_file": Path(snakemake.params.training_file),
        "recipe": options["recipe"],
        "folder": Path(snakemake.output.manifest).parent,
        "work": Path(snakemake.params.work),
        "seed": int(snakemake.wildcards.seed),
        "contract": options["contract"],
        "code": snakemake.params.code,
    }
    function = train_cross_encoder
    if options.get("kind") != "cross_encoder":
        function = train
        arguments["evaluation"] = None if evaluation is None else Path(evaluation)
        arguments["teacher_scores"] = None if teacher is None else Path(teacher).with_name("scores.jsonl")
    resources, logs = snakemake.resources, Path(snakemake.log[0]).parents[1]
    name = f"{snakemake.wildcards.model}.seed{snakemake.wildcards.seed}"
    where = Where(
        granted_gpus=resources.gpu,
        threads=snakemake.threads,
        attention=None if resources.attention == "default" else resources.attention,
        micro_batch=resources.micro_batch or None,
        checkpoint_minutes=resources.checkpoint_seconds / 60,
        tensorboard=logs / "tensorboard" / name if resources.tensorboard else None,
        wandb=logs / "wandb" / name if resources.wandb else None,
    )
    launch(
        function,
        arguments,
        where,
        arguments["work"],
        processes=resources.processes,
        nodes=resources.nodes,
        log=snakemake.log[0],
    )
