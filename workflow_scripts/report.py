"""Make an experiment's before/after table."""

import json
from pathlib import Path

from denseflow.report.table import write_report
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    write_report(
        Path(snakemake.input.evaluation),
        {"before": options["before"], **options["report"]},
        Path(snakemake.output.manifest).parent,
        datasets={name: Path(manifest) for name, manifest in options["datasets"].items()},
        systems=options["systems"],
        near_twins=Path(options["near_twins"]) if "near_twins" in options else None,
    )
