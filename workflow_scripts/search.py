"""Rank the passages of a collection for the queries of a split by their vectors, comparing each with each."""

from pathlib import Path

from denseflow.search.flat import search
from denseflow.search.gpus import lease_for_faiss, on_device
from denseflow.search.vectors import holds_sparse_vectors
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    queries, corpus = Path(snakemake.input.queries), Path(snakemake.input.corpus)
    depth, threads = int(snakemake.wildcards.depth), snakemake.threads
    if holds_sparse_vectors(corpus):
        from denseflow.search.sparse import search_sparse  # which takes SciPy

        search_sparse(queries, corpus, Path(snakemake.output.run), depth=depth, threads=threads)
    else:
        cut = snakemake.wildcards.cut.strip("d/")
        search(
            queries,
            corpus,
            Path(snakemake.output.run),
            depth=depth,
            threads=threads,
            dimensions=int(cut) if cut else None,
            **on_device(lease_for_faiss(snakemake.resources.gpu)),
        )
