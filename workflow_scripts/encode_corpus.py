"""Encode the passages of a collection."""

from pathlib import Path

from denseflow.encode.encode import encode_corpus
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    encode_corpus(
        Path(snakemake.input.model),
        Path(snakemake.input.dataset),
        Path(snakemake.output.manifest).parent,
        code=snakemake.params.code,
        granted_gpus=snakemake.resources.gpu,
        threads=snakemake.threads,
    )
