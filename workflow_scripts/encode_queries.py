"""Encode the queries of a split."""

import json
from pathlib import Path

from denseflow.imports import importing
from denseflow.stage_log import stage_log

with importing():
    from denseflow.encode.encode import encode_queries
    from denseflow.search.speed import write_speed

with stage_log(snakemake.log[0]):
    resources = snakemake.resources
    vectors = Path(snakemake.output.vectors)
    encode_queries(
        Path(snakemake.input.model),
        Path(snakemake.input.dataset),
        Path(snakemake.output.manifest).parent,
        split=snakemake.wildcards.split,
        timed=lambda queries, seconds: write_speed(vectors, queries, seconds),
        options=json.loads(snakemake.params.options),
        granted_gpus=resources.gpu,
        threads=snakemake.threads,
        attention=None if resources.attention == "default" else resources.attention,
        compiled=bool(resources.compile),
    )
