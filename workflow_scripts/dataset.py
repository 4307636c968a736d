"""Export a collection: corpus, queries and judgements of each split."""

import json
from pathlib import Path

from denseflow.dataset.export import export
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    export(options["source"], Path(snakemake.output.manifest).parent)
