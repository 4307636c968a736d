"""Lay what an experiment's indexes find, take and cost beside each other."""

import json
from pathlib import Path

from denseflow.report.indexes import write_indexes
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    write_indexes(json.loads(snakemake.params.options)["systems"], Path(snakemake.output.tsv).parent)
