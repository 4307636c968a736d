"""Build an approximate index of a collection's vectors."""

import json
from pathlib import Path

from denseflow.search.index import build_index
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    build_index(
        Path(snakemake.input.corpus),
        Path(snakemake.output.manifest).parent,
        json.loads(snakemake.params.options),
        threads=snakemake.threads,
    )
