"""Make an experiment's page."""

import json
from pathlib import Path

from denseflow.report.page.write import Sources, write_page
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    write_page(
        Sources(
            report=Path(snakemake.input.report),
            systems=options["systems"],
            datasets={name: Path(manifest) for name, manifest in options["datasets"].items()},
            manifests=[Path(manifest) for manifest in options["manifests"]],
            configuration=[Path(file) for file in options["configuration"]],
            results=Path(options["results"]),
            base=Path(snakemake.scriptdir).parent,
            description=options.get("description", ""),
            checkpoints=[Path(table) for table in options.get("checkpoints", [])],
        ),
        Path(snakemake.output[0]),
    )
