"""Rank the passages of a collection for the queries of a split by their vectors."""

from pathlib import Path

from denseflow.search.flat import search
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    search(
        Path(snakemake.input.queries),
        Path(snakemake.input.corpus),
        Path(snakemake.output.run),
        depth=int(snakemake.wildcards.depth),
        threads=snakemake.threads,
    )
