"""Find the evaluated queries that have a near-twin in training."""

import json
from pathlib import Path

from denseflow.report.near_twins import write_near_twins
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    datasets = {name: Path(manifest) for name, manifest in options["datasets"].items()}
    write_near_twins(options["places"], datasets, Path(snakemake.output.manifest).parent)
