"""Bring a set of sentence pairs into one form."""

import json
import tempfile
from pathlib import Path

from denseflow.dataset.download import download
from denseflow.evaluate.pairs import write_pairs
from denseflow.stage_log import stage_log
from denseflow.table_rows import kind_of

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)["set"]
    folder = Path(snakemake.output.manifest).parent
    with tempfile.TemporaryDirectory() as work:
        source = options.get("path") or options["url"]
        file = Path(source)
        if "url" in options:
            file = Path(work) / file.name
            download(options["url"], options["sha256"], file)
        write_pairs(file, kind_of(source), options, folder)
