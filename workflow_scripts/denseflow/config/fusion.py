"""A system of config/experiments/NAME.yaml that is made of other systems' results."""

from typing import Literal, Self

from pydantic import model_validator

from denseflow.config.section import Name, Section, SplitName, Text, option, required


class Tune(Section):
    """Choosing the weights of two systems on a split that is not reported."""

    split: SplitName = option("dev", "The split to choose on; never `test`")
    dataset: Name | None = option(None, "Its dataset; each evaluated dataset's own where it is left out")
    measure: Text | None = option(None, "The measure that shall be highest; the experiment's main one if left out")
    steps: int = option(20, "The weights tried are 0, 1/steps, 2/steps and so on up to 1", ge=1)


class Fusion(Section):
    """Other systems' results made into one ranking."""

    systems: list[Name] = required("The systems whose runs are fused, others of this experiment", min_length=2)
    method: Literal["rrf", "min_max", "z_score"] = option(
        "rrf",
        "Reciprocal rank fusion (Cormack et al., 2009), or a weighted mean of scores normalised query by query: by the "
        "lowest and highest, or by mean and standard deviation; the last two with `tune` interpolate",
    )
    k: int = option(60, "With `rrf`: what is added to each rank", ge=0)
    weights: list[float] | None = option(None, "One a system, at least one of them above 0; all alike if left out")
    tune: Tune | None = option(None, "Chooses the weights of two systems on a dev split, instead of `weights`")

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if len(set(self.systems)) < len(self.systems):
            raise ValueError(f"`systems` {self.systems} has one twice; name each once, and weigh it by `weights`")
        if self.weights is not None:
            if self.tune is not None:
                raise ValueError("give `weights` or `tune`, not both")
            if len(self.weights) != len(self.systems) or min(self.weights) < 0 or not sum(self.weights):
                raise ValueError(
                    f"`weights` {self.weights} must be one number from 0 on a system ({len(self.systems)}), not all 0"
                )
        if self.tune is not None and len(self.systems) != 2:
            raise ValueError(f"`tune` weighs two systems against each other, but `systems` has {len(self.systems)}")
        return self
