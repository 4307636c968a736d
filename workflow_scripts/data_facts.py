"""Look at a collection: counts, lengths, judgements, repeated texts, what splits share, languages."""

from pathlib import Path

from denseflow.report.data.facts import write_facts
from denseflow.stage_log import stage_log

with stage_log(snakemake.log[0]):
    write_facts(Path(snakemake.input.dataset))
