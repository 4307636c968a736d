"""Mine hard negatives and write the training file."""

import json
from pathlib import Path

from denseflow.negatives.mine import mine
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    mine(
        Path(snakemake.input.dataset),
        options["split"],
        options["negatives"],
        {place: Path(run) for place, run in options["runs"].items()},
        Path(snakemake.output.manifest).parent,
        {place: (Path(queries), Path(corpus)) for place, (queries, corpus) in options.get("vectors", {}).items()},
    )
