"""The manifest that each stage writes last, and that later stages depend on and check."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.files import sha256, write_json

NAME = "manifest.json"

OTHER_BUILDS = {"faiss-cpu": "faiss-gpu"}
"""Packages that are another's build under a name of their own: what runs where the other is not installed."""


def write_manifest(
    folder: Path,
    stage: str,
    files: Sequence[str],
    *,
    packages: Sequence[str] = (),
    name: str = NAME,
    sums: Mapping[str, str] | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """Write ``folder/name``: sha256 and size of each of ``files`` (relative to ``folder``), versions and ``facts``.

    Facts are what the stage wants to record (counts, options, device, seed, warnings, inputs). There is no date in
    it: the same work gives the same manifest, so that nothing downstream reruns. ``sums`` has the sha256 of files whose
    bytes the stage has read already, when it found or wrote them; they are not read again.
    """
    sums = sums or {}
    manifest = {
        "stage": stage,
        "files": {
            file: {"sha256": sums.get(file) or sha256(folder / file), "bytes": (folder / file).stat().st_size}
            for file in sorted(files)
        },
        "versions": dict(_installed(package) for package in sorted(packages)),
        **facts,
    }
    write_json(folder / name, manifest)
    return manifest


def _installed(package: str) -> tuple[str, str]:
    """The name and version of a package, or of the build that stands in for it."""
    for name in (package, OTHER_BUILDS.get(package, package)):
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return package, "not installed"


def read_manifest(path: Path, *, check: bool = True) -> dict[str, Any]:
    """Read a manifest and check that its files are whole and unaltered.

    Args:
        path: The manifest's file.
        check: Whether to compare each file's sha256 with the manifest's.

    Raises:
        DenseflowError: The manifest or one of its files is missing, or a file's content differs.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DenseflowError(f"{path}: no such manifest; run the workflow to make it") from None
    except json.JSONDecodeError as error:
        raise DenseflowError(f"{path}: not JSON ({error}); delete it and run the workflow again") from None
    if check:
        for name, expected in manifest["files"].items():
            file = path.parent / name
            if not file.is_file():
                raise DenseflowError(f"{file}: missing, but listed in {path}; run the workflow to make it again")
            found = sha256(file)
            if found != expected["sha256"]:
                raise DenseflowError(
                    f"{file}: sha256 {found} differs from {expected['sha256']} in {path.name}; the file was changed "
                    "after it was made. Run the workflow to make it again"
                )
    return manifest
