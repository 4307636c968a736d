"""SHA-256 sums in what manifests say, by which one step is known to be made from another."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_SHA256 = re.compile(r"[0-9a-f]{64}")


def digests_in(value: Any) -> Iterator[str]:
    """All sums in a value of JSON, however deep."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from digests_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from digests_in(item)
    elif isinstance(value, str) and _SHA256.fullmatch(value):
        yield value
