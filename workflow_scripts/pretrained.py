"""Lay a pretrained model down as an ordinary sentence-transformers folder."""

import json
from pathlib import Path

from denseflow.imports import importing
from denseflow.stage_log import stage_log

with importing():
    from denseflow.train.cross_encoder.pretrained import prepare_cross_encoder
    from denseflow.train.pretrained import prepare
    from denseflow.train.sparse_encoder.pretrained import prepare_sparse_encoder

    PREPARE = {"cross_encoder": prepare_cross_encoder, "sparse_encoder": prepare_sparse_encoder}

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    PREPARE.get(options.get("kind"), prepare)(
        options["source"],
        options["contract"],
        Path(snakemake.output.manifest).parent,
        revisions=Path(snakemake.params.revisions),
    )
