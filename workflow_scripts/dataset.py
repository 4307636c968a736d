"""Export a collection: corpus, queries and judgements of each split."""

import json
import logging
from pathlib import Path

from denseflow.dataset.export import export
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    of = snakemake.input.get("of")
    manifest = export(
        options["source"],
        Path(snakemake.output.manifest).parent,
        None if of is None else Path(of),
        Path(snakemake.params.revisions),
    )
    for warning in manifest["warnings"]:
        logging.warning("%s", warning)
