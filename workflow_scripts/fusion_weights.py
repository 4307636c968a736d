"""Choose the weights of two systems on a dev split."""

import json
from pathlib import Path

from denseflow.search.fusion_weights import choose_weights
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    options = json.loads(snakemake.params.options)
    split = snakemake.wildcards.split
    choose_weights(
        [Path(manifest) for manifest in snakemake.input.runs],
        Path(snakemake.input.dataset[0]),
        Path(snakemake.output.manifest).parent,
        split=split,
        name=f"weights.{split}",
        **{key: value for key, value in options.items() if key != "runs"},
    )
