"""Make an experiment's before/after table."""

import json
from pathlib import Path

from denseflow.report.table import write_report
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    write_report(Path(snakemake.input.evaluation), options, Path(snakemake.output.manifest).parent)
