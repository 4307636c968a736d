"""Score an experiment's runs query by query."""

import json
from pathlib import Path

from denseflow.evaluate.measures import evaluate_experiment
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    evaluate_experiment(options["systems"], options["measures"], Path(snakemake.output.manifest).parent)
