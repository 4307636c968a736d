"""Index a collection for BM25."""

from pathlib import Path

from denseflow.bm25.index import build_index
from denseflow.bm25.java import heap_mb
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    manifest = Path(snakemake.input.dataset)
    build_index(
        manifest.parent / "corpus.jsonl",
        manifest,
        Path(snakemake.output.manifest).parent,
        analyzer=snakemake.wildcards.analyzer,
        threads=snakemake.threads,
        memory_mb=heap_mb(snakemake.resources.mem_mb),
    )
