"""Reading a configuration file into its section, with errors that say file, key, value, expectation and what to do."""

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from denseflow.config.section import Section
from denseflow.errors import DenseflowError

try:
    from yaml import CSafeLoader as _Loader  # some eight times as fast
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

S = TypeVar("S", bound=Section)


class _UniqueKeyLoader(_Loader):
    """YAML without silent loss: a key that is given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        DenseflowError: The file is missing, is no YAML (the line is named) or holds no mapping.
    """
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError:
        raise DenseflowError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DenseflowError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise DenseflowError(
            f"{path}{line}: not YAML ({getattr(error, 'problem', error)}); mind the indentation and the colons"
        ) from None
    if not isinstance(value, dict):
        raise DenseflowError(f"{path}: found {value!r:.80}, expected keys and values such as those in config/README.md")
    return value


def check(section: type[S], value: dict[str, Any], where: str) -> S:
    """Validate a mapping against a section.

    Args:
        section: The section's class.
        value: What the user wrote.
        where: The file to name in an error.

    Raises:
        DenseflowError: All that is wrong, one line each.
    """
    try:
        return section.model_validate(value)
    except ValidationError as error:
        lines = [f"{where}: {_explain(section, details)}" for details in error.errors()]
        raise DenseflowError("\n".join(lines)) from None


def _explain(section: type[BaseModel], details: ErrorDetails) -> str:
    key = _key(section, details["loc"])
    found = details["input"]
    kind = details["type"]
    if kind == "extra_forbidden":
        name = str(details["loc"][-1])
        known = _keys_beside(section, details["loc"])
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}"
        return f"key {key!r}: unknown; {hint}"
    if kind == "missing":
        return f"key {key!r}: missing; it must be given (see config/README.md)"
    message = details["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"key {key!r}: {message}" if key else message
    explanation = f"key {key!r}: found {found!r:.80}, expected: {message[0].lower()}{message[1:]}"
    if isinstance(found, str) and kind in ("float_type", "int_type") and _is_number(found):
        explanation += f"; YAML reads {found} as text: write {_yaml_number(found)}"
    return explanation


def _key(section: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The key's path as the user wrote it, without the tags that pydantic puts in for a choice of sections."""
    parts: list[str] = []
    for part, _ in _walk(section, location):
        parts.append(f"[{part}]" if isinstance(part, int) else f".{part}" if parts else part)
    return "".join(parts)


def _keys_beside(section: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    *_, (_, parent) = _walk(section, location)
    return list(parent.model_fields) if parent else []


def _walk(section: type[BaseModel], location: tuple[int | str, ...]) -> list[tuple[int | str, type[BaseModel] | None]]:
    """Each part of a location that is a key or an index, with the section it stands in."""
    steps: list[tuple[int | str, type[BaseModel] | None]] = []
    current: Any = section
    parent: type[BaseModel] | None = section
    for part in location:
        choices = _sections(current)
        tagged = [choice for choice in choices if _tag(choice) == part]
        if len(choices) > 1 and tagged:
            current = tagged[0]
            continue
        if part == "[key]":
            continue
        parent = choices[0] if len(choices) == 1 and isinstance(part, str) else None
        steps.append((part, parent))
        if parent and part in parent.model_fields:
            current = parent.model_fields[str(part)].annotation
        elif parent is None:
            current = _items(current)
    return steps


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """The sections among which an annotation chooses."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if getattr(annotation, "__origin__", None) in (list, dict):
        return []
    return [section for choice in getattr(annotation, "__args__", ()) for section in _sections(choice)]


def _items(annotation: Any) -> Any:
    """What the elements of a list, or the values of a dict, are."""
    arguments = getattr(annotation, "__args__", ())
    return arguments[-1] if arguments else annotation


def _tag(section: type[BaseModel]) -> Any:
    field = section.model_fields.get("type")
    return field.annotation.__args__[0] if field and field.annotation else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _yaml_number(text: str) -> str:
    """A number as YAML 1.1 reads it: with a point and a signed exponent."""
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return f"{text} without quotes"
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
