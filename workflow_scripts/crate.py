"""Describe an experiment's run for machines."""

import json
from pathlib import Path

from denseflow.report.crate import write_crate
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    write_crate(
        Path(snakemake.input.report),
        map(Path, options["manifests"]),
        map(Path, options["configuration"]),
        Path(snakemake.scriptdir).parent,
        description=options.get("description", ""),
    )
