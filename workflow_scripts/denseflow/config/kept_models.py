"""Which models of an experiment keep others along the way."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from denseflow.errors import DenseflowError

if TYPE_CHECKING:
    from denseflow.config.experiment import Experiment
    from denseflow.config.model import Model


def keeping_models(experiment: "Experiment", models: Mapping[str, "Model"]) -> list[str]:
    """The names of the models that keep others, those that they start from included."""
    found: dict[str, None] = {}
    for system in experiment.systems.values():
        name = system.model
        while name is not None and (trained := models[name].trained) is not None:
            if trained.recipe.keep_models is not None:
                found[name] = None
            name = trained.base
    return list(found)


def check_kept_models(experiment: "Experiment", models: Mapping[str, "Model"], file: Path) -> None:
    """Refuse to score models along the way where none are kept.

    Raises:
        DenseflowError: With ``file``, the experiment's, and the key.
    """
    if experiment.checkpoints and not keeping_models(experiment, models):
        raise DenseflowError(
            f"{file}: key 'checkpoints': none of the experiment's models keeps models along the way; set "
            "`trained.recipe.keep_models` in a model's file, such as {every_epochs: 1}, or leave the key out"
        )
