"""Score all models that a training kept along the way on a split."""

import json
from pathlib import Path

from denseflow.imports import importing
from denseflow.stage_log import stage_log

with importing():
    from denseflow.evaluate.checkpoints import score_checkpoints

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    score_checkpoints(
        Path(snakemake.input.model),
        Path(snakemake.input.dataset),
        Path(snakemake.output.table),
        split=options["split"],
        measures=options["measures"],
        depth=options["depth"],
        passages=options.get("passages"),
        granted_gpus=snakemake.resources.gpu,
        threads=snakemake.threads,
    )
