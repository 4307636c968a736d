"""Queries from numpydoc's See Also sections: a person's description of a function, written elsewhere."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from numpydoc.docscrape import NumpyDocString

HEADER = r"[-=]{3,}[ \t]*(?:\n|\Z)"
SECTION = re.compile(
    rf"^See [Aa]lso[ \t]*\n{HEADER}(?:.*?)(?=^\S[^\n]*\n{HEADER}|^\.\. index::|\Z)", re.MULTILINE | re.DOTALL
)
"""The section with its body, in a docstring without indentation, up to the next section's header."""


class Reference(NamedTuple):
    """An entry of a See Also section: the names as they are written, and the description."""

    names: tuple[str, ...]
    description: str


def without_see_also(docstring: str) -> str:
    """The docstring without its See Also section."""
    return SECTION.sub("", docstring).strip()


def references(docstring: str) -> Iterator[Reference]:
    """Yield the entries with a description of a docstring's See Also section.

    Raises:
        ValueError: numpydoc cannot parse the section.
    """
    for section in SECTION.finditer(docstring):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            entries = NumpyDocString(section.group(0))["See Also"]
        for functions, lines in entries:
            description = " ".join(" ".join(lines).split())
            if description:
                yield Reference(tuple(name for name, _ in functions), description)


def resolve(name: str, paths: Sequence[str], known: Mapping[str, Any]) -> str | None:
    """The path in ``known`` that a name in the docstring of an object means; None where there is none.

    As Sphinx does for numpydoc's references: the name as it is, then relative to the class and the module of the
    object. What module that is depends on the page that shows the object, so each of its public ``paths`` is tried,
    the nearest parents first.
    """
    name = name.lstrip("~.")
    if name in known:
        return name
    for path in paths:
        parent = path.rpartition(".")[0]
        while parent:
            if f"{parent}.{name}" in known:
                return f"{parent}.{name}"
            parent = parent.rpartition(".")[0]
    return None
