"""Encode the queries of a split."""

from pathlib import Path

from denseflow.encode.encode import encode_queries
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    encode_queries(
        Path(snakemake.input.model),
        Path(snakemake.input.dataset),
        Path(snakemake.output.manifest).parent,
        split=snakemake.wildcards.split,
        granted_gpus=snakemake.resources.gpu,
        threads=snakemake.threads,
    )
