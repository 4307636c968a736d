"""Make the page of a collection, with what an experiment's models cut of its texts."""

import json
import os
from pathlib import Path

from denseflow.report.data.page import Page, write_data_page
from denseflow.report.data.tokens import Reader
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the rule has one thread
    options = json.loads(snakemake.params.options)
    write_data_page(
        Page(
            dataset=Path(snakemake.input[0]),
            facts=Path(snakemake.input[1]),
            language=options["language"],
            readers=[
                Reader(one["models"], Path(one["manifest"]), one.get("contract", {})) for one in options["readers"]
            ],
            description=options.get("description", ""),
        ),
        Path(snakemake.output.manifest).parent,
    )
