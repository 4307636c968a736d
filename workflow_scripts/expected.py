"""Check that an experiment's table shows the scores that it is expected to show."""

import json
from pathlib import Path

from denseflow.report.expected import check_expected
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    expected = json.loads(snakemake.params.options)["expected"]
    check_expected([Path(table) for table in snakemake.input.tables], expected, Path(snakemake.output.tsv))
