"""Lay a pretrained model down as an ordinary sentence-transformers folder."""

import json
from pathlib import Path

from denseflow.stage_log import stage_log
from denseflow.train.pretrained import prepare

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    prepare(
        options["source"],
        options["contract"],
        Path(snakemake.output.manifest).parent,
        revisions=Path(snakemake.params.revisions),
    )
