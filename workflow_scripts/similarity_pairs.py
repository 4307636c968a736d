"""Bring a set of sentence pairs into one form."""

import json
import tempfile
from pathlib import Path

from denseflow.dataset.data_files import at_hand
from denseflow.evaluate.pairs import write_pairs
from denseflow.stage_log import stage_log
from denseflow.table_rows import kind_of

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)["set"]
    folder = Path(snakemake.output.manifest).parent
    with tempfile.TemporaryDirectory() as work:
        kind = kind_of(options.get("path") or options["url"])
        write_pairs(at_hand(options, Path(work)), kind, options, folder)
