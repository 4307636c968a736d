"""Make several systems' runs into one."""

import json
from pathlib import Path

from denseflow.manifest import read_manifest
from denseflow.search.fusion import fuse
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    weights = options.get("weights")
    if weights is None:
        chosen = Path(snakemake.input.weights[0])
        read_manifest(chosen)
        found = json.loads(chosen.with_name(chosen.name.replace(".manifest", "")).read_text(encoding="utf-8"))
        weights = found["weights"]
    fuse(
        [Path(manifest) for manifest in snakemake.input.runs],
        Path(snakemake.output.run),
        method=options["method"],
        k=options["k"],
        weights=weights,
        depth=int(snakemake.wildcards.depth),
    )
