"""Encode the passages of a collection."""

import json
from pathlib import Path

from denseflow.imports import importing
from denseflow.stage_log import stage_log

with importing():
    from denseflow.encode.encode import encode_corpus

with stage_log(snakemake.log[0]):
    resources = snakemake.resources
    encode_corpus(
        Path(snakemake.input.model),
        Path(snakemake.input.dataset),
        Path(snakemake.output.manifest).parent,
        markers=[Path(marker) for marker in snakemake.input.markers],
        code=snakemake.params.code,
        options=json.loads(snakemake.params.options),
        granted_gpus=resources.gpu,
        threads=snakemake.threads,
        attention=None if resources.attention == "default" else resources.attention,
        compiled=bool(resources.compile),
    )
