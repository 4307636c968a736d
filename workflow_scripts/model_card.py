"""Write the card of a trained model."""

import json
from pathlib import Path

from denseflow.report.model_card import CardInputs, write_model_card
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    inputs = {name: Path(manifest) for name, manifest in snakemake.input.items()}
    options = {**json.loads(snakemake.params.options), "seed": int(snakemake.wildcards.seed)}
    write_model_card(CardInputs(**inputs), options, Path(snakemake.output.card))
