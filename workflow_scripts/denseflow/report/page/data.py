"""What an experiment's page says of its collections, where the pages on them were made."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.manifest import read_manifest


class Collection(NamedTuple):
    """A collection's page, in short."""

    name: str
    page: str
    """Where it lies, seen from the experiment's page."""
    passages: int
    queries: dict[str, int]
    """By split."""
    cautions: list[dict[str, Any]]
    """``found``, ``advice`` and ``serious`` of each."""


def find_collections(folder: Path) -> list[Collection]:
    """The collections of which there is a page, by their names.

    Args:
        folder: The experiment's; the pages are in ``data`` below it.

    Raises:
        DenseflowError: One of their files is missing or altered.
    """
    found = []
    for manifest in sorted((folder / "data").glob("*.manifest.json")):
        read_manifest(manifest)
        name = manifest.name.removesuffix(".manifest.json")
        content = json.loads(manifest.with_name(f"{name}.json").read_text(encoding="utf-8"))
        queries = {split: of["queries"] for split, of in content["splits"].items()}
        found.append(Collection(name, f"data/{name}.html", content["passages"]["count"], queries, content["cautions"]))
    return found
