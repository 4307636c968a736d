"""Rank a collection with BM25 for the queries of a split."""

from pathlib import Path

from denseflow.bm25.java import heap_mb
from denseflow.bm25.search import search
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    manifest = Path(snakemake.input.dataset)
    search(
        Path(snakemake.input.index),
        manifest.parent / f"queries.{snakemake.wildcards.split}.jsonl",
        Path(snakemake.output.run),
        k1=float(snakemake.wildcards.k1),
        b=float(snakemake.wildcards.b),
        depth=int(snakemake.wildcards.depth),
        threads=snakemake.threads,
        dataset_manifest=manifest,
        memory_mb=heap_mb(snakemake.resources.mem_mb),
    )
