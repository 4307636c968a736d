"""Fine-tune a model, resuming where an interrupted run of the same training stopped."""

import json
from pathlib import Path

from denseflow.manifest import read_manifest
from denseflow.stage_log import stage_log
from denseflow.train.train import train
from denseflow.train.where import Where

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    negatives, teacher = snakemake.input.get("negatives"), snakemake.input.get("teacher")
    for manifest in (negatives, teacher):
        if manifest is not None:
            read_manifest(Path(manifest))
    evaluation = snakemake.input.get("evaluation")
    train(
        Path(snakemake.input.base),
        Path(snakemake.params.training_file),
        options["recipe"],
        Path(snakemake.output.manifest).parent,
        Path(snakemake.params.work),
        seed=int(snakemake.wildcards.seed),
        contract=options["contract"],
        evaluation=None if evaluation is None else Path(evaluation),
        teacher_scores=None if teacher is None else Path(teacher).with_name("scores.jsonl"),
        code=snakemake.params.code,
        where=Where(
            granted_gpus=snakemake.resources.gpu,
            threads=snakemake.threads,
            micro_batch=snakemake.resources.micro_batch or None,
            checkpoint_minutes=snakemake.resources.checkpoint_seconds / 60,
        ),
    )
