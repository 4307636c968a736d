"""Encode one job's share of the passages of a collection."""

import json
from pathlib import Path

from denseflow.imports import importing
from denseflow.stage_log import stage_log

with importing():
    from denseflow.encode.encode import encode_share

with stage_log(snakemake.log[0]):
    resources = snakemake.resources
    encode_share(
        Path(snakemake.input.model),
        Path(snakemake.input.dataset),
        Path(snakemake.params.folder),
        share=int(snakemake.wildcards.share),
        shares=int(snakemake.wildcards.shares),
        code=snakemake.params.code,
        options=json.loads(snakemake.params.options),
        granted_gpus=resources.gpu,
        threads=snakemake.threads,
        attention=None if resources.attention == "default" else resources.attention,
        compiled=bool(resources.compile),
    )
    Path(snakemake.output.marker).touch()
