"""Score a training file's pairs with a teacher: a cross-encoder, or an encoder by its vectors."""

from pathlib import Path

from denseflow.imports import importing
from denseflow.stage_log import stage_log

with importing():
    from denseflow.negatives.cross_encoder_teacher import score_with_cross_encoder
    from denseflow.negatives.encoder_teacher import score_with_vectors

with stage_log(snakemake.log[0]):
    negatives, folder = Path(snakemake.input.negatives), Path(snakemake.output.manifest).parent
    cross_encoder = snakemake.input.get("model")
    if cross_encoder is None:
        score_with_vectors(negatives, Path(snakemake.input.queries), Path(snakemake.input.corpus), folder)
    else:
        score_with_cross_encoder(
            negatives,
            Path(cross_encoder),
            folder,
            work=Path(snakemake.params.work),
            granted_gpus=snakemake.resources.gpu,
            threads=snakemake.threads,
            code=snakemake.params.code,
        )
