"""config/config.yaml: what to run."""

from typing import Literal

from pydantic import field_validator

from denseflow.config.section import Name, Section, Text, option, required


class Workflow(Section):
    """What one call of Snakemake makes. `snakemake --config experiments=[NAME]` chooses for one call."""

    experiments: list[Name] = required("Names from config/experiments", min_length=1)
    results: Text = option("results", "The folder for everything that is made")
    environments: Literal["cpu", "gpu"] = option(
        "cpu",
        "Which builds of torch and FAISS `--sdm conda` installs: `gpu` those for NVIDIA GPUs (envs/gpu); "
        "changing it reruns nothing",
    )
    checkpoint_minutes: float = option(
        2.0, "Time between two checkpoints of a training; changing it reruns nothing", gt=0
    )

    @field_validator("experiments", mode="before")
    @classmethod
    def _one_name_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
