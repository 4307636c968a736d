"""Score a model on a set of sentence pairs."""

import json
from pathlib import Path

from denseflow.imports import importing
from denseflow.stage_log import stage_log

with importing():
    from denseflow.evaluate.similarity import score_similarity

with stage_log(snakemake.log[0]):
    options, resources = json.loads(snakemake.params.options), snakemake.resources
    score_similarity(
        Path(snakemake.input.model),
        Path(snakemake.input.pairs),
        Path(snakemake.output.manifest).parent,
        options=options["set"],
        dimensions=options.get("dimensions"),
        encode=options["encode"],
        granted_gpus=resources.gpu,
        threads=snakemake.threads,
        attention=None if resources.attention == "default" else resources.attention,
    )
