"""Order the first documents of another system's run anew by a cross-encoder."""

from pathlib import Path

from denseflow.imports import importing
from denseflow.stage_log import stage_log

with importing():
    from denseflow.search.rerank import rerank

with stage_log(snakemake.log[0]):
    rerank(
        Path(snakemake.input.run_manifest),
        Path(snakemake.input.dataset),
        Path(snakemake.input.model),
        Path(snakemake.output.run),
        split=snakemake.wildcards.split,
        depth=int(snakemake.wildcards.reranked),
        work=Path(snakemake.params.work),
        granted_gpus=snakemake.resources.gpu,
        threads=snakemake.threads,
        code=snakemake.params.code,
    )
