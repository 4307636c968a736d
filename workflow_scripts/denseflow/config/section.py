"""What all sections of the configuration share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A name that becomes part of a path: letters, digits, ``_``, ``.`` and ``-``."""

SplitName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""The name of a split: as :data:`Name`, but without ``.``, which sets it apart from the dataset in paths."""

Text = Annotated[str, StringConstraints(min_length=1)]


class Section(BaseModel):
    """A section that refuses unknown keys and converts nothing: ``1e-5`` as text is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def option(default: Any, description: str, **constraints: Any) -> Any:
    """An option with its default, its description for config/README.md and its limits.

    An option that is added to a stage later on says with ``neutral=VALUE`` which value means "as before it was
    there"; that value is left out of the canonical options (see :mod:`denseflow.workflow.canonical`), so that results
    made earlier stay valid. None is neutral always.
    """
    if "neutral" in constraints:
        constraints["json_schema_extra"] = {"neutral": constraints.pop("neutral")}
    return Field(default=default, description=description, **constraints)


def required(description: str, **constraints: Any) -> Any:
    """An option that must be given."""
    return Field(description=description, **constraints)
