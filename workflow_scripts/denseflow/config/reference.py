"""config/README.md and the JSON schemas, made from the sections, so that they cannot drift.

Run ``python -m denseflow.config.reference`` in workflow_scripts/ to write them again.
"""

import json
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from denseflow.config.dataset import Dataset
from denseflow.config.experiment import Experiment
from denseflow.config.model import Model
from denseflow.config.negatives import Negatives
from denseflow.config.workflow import Workflow
from denseflow.files import write_json, write_text

SECTIONS: dict[str, type[BaseModel]] = {
    "config.yaml": Workflow,
    "datasets/NAME.yaml": Dataset,
    "negatives/NAME.yaml": Negatives,
    "models/NAME.yaml": Model,
    "experiments/NAME.yaml": Experiment,
}

INTRODUCTION = """\
# Configuration

Made from the schema by `python -m denseflow.config.reference`; do not edit. One YAML file a thing: a dataset, a way to
mine negatives, a model, an experiment. `config.yaml` names the experiments to run. Everything is checked before a job
starts: unknown keys are refused, `1e-5` must be written `1.0e-5` (YAML reads the former as text), paths are relative to
the working directory. For completion in an editor, begin a file with a comment such as
`# yaml-language-server: $schema=../schema/model.json`.

A key is an option of exactly one stage: changing it reruns that stage and what follows from it. `description`, `run`,
`documents` and `checkpoint_minutes` rerun nothing.
"""


def reference() -> str:
    """The text of config/README.md."""
    return INTRODUCTION + "".join(_part(name, section) for name, section in SECTIONS.items())


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON schema of each kind of file, by its name below config/schema/."""
    return {f"{section.__name__.lower()}.json": section.model_json_schema() for section in SECTIONS.values()}


def write(folder: Path) -> None:
    """Write README.md and schema/ into the configuration folder."""
    write_text(folder / "README.md", reference())
    for name, schema in schemas().items():
        write_json(folder / "schema" / name, schema)


def _part(name: str, section: type[BaseModel]) -> str:
    head = (
        f"\n## {name}\n\n{_paragraph(section)}\n\n| key | value | default | what it is |\n| --- | --- | --- | --- |\n"
    )
    return head + "\n".join(_rows(section, "")) + "\n"


def _rows(section: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    shown: list[list[type[BaseModel]]] = []
    for name, field in section.model_fields.items():
        key = f"{prefix}{name}"
        rows.append(f"| `{key}` | {_values(field)} | {_default(field)} | {field.description} |")
        choices = _sections(field.annotation)
        if len(choices) > 1 and choices in shown:
            continue  # the same sections under another key
        shown.append(choices)
        for choice in choices:
            inner = f"{key}{_step(field.annotation)}."
            if len(choices) > 1:
                word = "type" if "type" in choice.model_fields else "name"
                kind = get_args(choice.model_fields[word].annotation)[0]
                rows.append(f"| **`{key}` with {word} `{kind}`** | | | {_paragraph(choice)} |")
            rows += _rows(choice, inner)
    return rows


def _paragraph(section: type[BaseModel]) -> str:
    return " ".join((section.__doc__ or "").split())


def _step(annotation: Any) -> str:
    """What stands between a key and its inner keys: an element of a list, a name of a mapping, or nothing."""
    return {list: "[]", dict: ".NAME"}.get(get_origin(annotation), "")


def _sections(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]


def _values(field: FieldInfo) -> str:
    limits = [
        f"{word} {getattr(limit, attribute)}"
        for limit in field.metadata
        for attribute, word in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(limit, attribute, None) is not None
    ]
    return _type(field.annotation) + ("" if not limits else f" {', '.join(limits)}")


def _type(annotation: Any) -> str:
    if _sections(annotation):
        return {list: "list of sections", dict: "sections by name"}.get(get_origin(annotation), "section")
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) in (list, dict):
        container = "list of" if get_origin(annotation) is list else "mapping to"
        return f"{container} {_type(get_args(annotation)[-1])}s"
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if get_args(annotation):
        return " or ".join(_type(part) for part in get_args(annotation) if part is not NoneType)
    return {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "value"}[annotation]


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or isinstance(field.default, BaseModel):
        return ""
    return f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[3] / "config")
