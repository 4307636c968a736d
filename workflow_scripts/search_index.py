"""Rank the passages of a collection for the queries of a split by an approximate index."""

import json
from pathlib import Path

from denseflow.search.approximate import search_index
from denseflow.search.gpus import lease_for_faiss
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    search_index(
        Path(snakemake.input.queries),
        Path(snakemake.input.corpus),
        Path(snakemake.input.index),
        Path(snakemake.input.exact),
        Path(snakemake.output.run),
        depth=int(snakemake.wildcards.depth),
        options=json.loads(snakemake.params.options),
        threads=snakemake.threads,
        gpus=lease_for_faiss(snakemake.resources.gpu),
    )
