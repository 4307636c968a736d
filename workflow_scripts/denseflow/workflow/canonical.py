"""The options of a stage as one canonical text, so that Snakemake notices each change that matters and none other."""

import json
from typing import Any

from denseflow.config.section import Section


def canonical(options: Section | dict[str, Any]) -> str:
    """Options as JSON with sorted keys.

    Snakemake keeps params as a set of values: of two options whose values are swapped it would notice nothing. In one
    text with its keys it does. What is None, or has the value that its option declares neutral, is left out: such an
    option was added later, and a result made before is still right.
    """
    return json.dumps(_plain(options), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any, *, given: bool = False) -> Any:
    """Plain values; ``given`` by the user inside an option is also None, such as a tokenizer's setting."""
    if isinstance(value, Section):
        return {
            name: _plain(getattr(value, name), given=True)
            for name, field in type(value).model_fields.items()
            if not _is_neutral(getattr(value, name), field.json_schema_extra)
        }
    if isinstance(value, dict):
        # As texts, which JSON makes of numbers too: some of both cannot be sorted.
        return {str(key): _plain(item, given=given) for key, item in value.items() if given or item is not None}
    if isinstance(value, list):
        return [_plain(item, given=given) for item in value]
    return value


def _is_neutral(value: Any, extra: Any) -> bool:
    return value is None or (isinstance(extra, dict) and "neutral" in extra and extra["neutral"] == value)
