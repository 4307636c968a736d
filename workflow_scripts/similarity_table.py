"""Make the table of an experiment's models on sets of sentence pairs."""

import json
from pathlib import Path

from denseflow.report.similarity import Scored, write_similarity
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    sets = [
        Scored(one["name"], one["type"], {system: [Path(file) for file in files] for system, files in one["files"]})
        for one in options["sets"]
    ]
    write_similarity(sets, options["report"], Path(snakemake.output.manifest).parent)
