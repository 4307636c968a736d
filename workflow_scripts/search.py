"""Rank the passages of a collection for the queries of a split by their vectors, comparing each with each."""

from pathlib import Path

from denseflow.search.flat import search
from denseflow.search.gpus import lease_for_faiss, on_device
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    cut = snakemake.wildcards.cut.strip("d/")
    gpus = lease_for_faiss(snakemake.resources.gpu)
    search(
        Path(snakemake.input.queries),
        Path(snakemake.input.corpus),
        Path(snakemake.output.run),
        depth=int(snakemake.wildcards.depth),
        threads=snakemake.threads,
        dimensions=int(cut) if cut else None,
        **on_device(gpus),
    )
