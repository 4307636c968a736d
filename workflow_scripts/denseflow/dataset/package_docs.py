"""The API documentation of installed packages: a real collection that needs no download.

Each public function, class and method is a document: its qualified name, and its docstring without the See Also
section. Each description in a See Also section is a query, written by a person elsewhere, and the documents that its
entry names are relevant.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from denseflow.collection import Document
from denseflow.dataset import package_api
from denseflow.dataset.collection_source import SourceCollection, Split, examples
from denseflow.dataset.package_queries import SPLITS, Query, assign_splits, collect_queries
from denseflow.dataset.see_also import without_see_also
from denseflow.errors import DenseflowError

KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Environment variables that finding and loading packages may need; all others could change what they document."""


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """The documentation of ``source["packages"]``, with its queries shared out to train, dev and test.

    Args:
        source: ``packages`` (pinned version by distribution's name), ``seed``, ``dev_share`` and ``test_share`` (of the
            queries), ``drop_verbatim`` (leave out queries that stand word for word in a relevant document).
        work: A folder for temporary files.

    Raises:
        DenseflowError: A package is not installed in its pinned version, or none of its modules can be imported.
    """
    packages = source["packages"]
    check_versions(packages)
    listing = _list_api(packages, work)
    objects = listing["objects"]
    documents = {
        item["paths"][0]: Document(item["paths"][0], item["paths"][0], without_see_also(item["docstring"]))
        for item in objects
    }
    queries, dropped = collect_queries(
        objects,
        {document.id: f"{document.title} {document.text}" for document in documents.values()},
        drop_verbatim=source["drop_verbatim"],
    )
    keys = assign_splits(queries, seed=source["seed"], dev_share=source["dev_share"], test_share=source["test_share"])
    yield SourceCollection(
        documents=lambda: iter(documents.values()),
        splits={split: partial(_split, split, {key: queries[key] for key in keys[split]}) for split in SPLITS},
        origin="package_docs",
        facts={"dropped": dropped, "modules_skipped": listing["skipped"]},
        warnings=_warnings(listing["skipped"]),
        packages=(*packages, "numpydoc"),
    )


def check_versions(packages: Mapping[str, str]) -> None:
    """Compare the installed versions with the pinned ones.

    Raises:
        DenseflowError: Some differ or are not installed; each is named with the version found and expected.
    """
    wrong = []
    for name, expected in packages.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "none"
        if found != expected:
            wrong.append(f"{name}: found {found}, expected {expected}")
    if wrong:
        pins = " ".join(f"{name}=={version}" for name, version in packages.items())
        raise DenseflowError(
            f"source package_docs, key 'packages': installed versions differ from the pins ({'; '.join(wrong)}). "
            f"Another version is another collection: install the pinned ones (pip install {pins}), or change the pins "
            "in the data set's file"
        )


def _list_api(packages: Mapping[str, str], work: Path) -> dict[str, Any]:
    """The public API, listed by :mod:`denseflow.dataset.package_api` in a process of its own."""
    tops = _top_levels()
    roots = [top for name in packages for top in tops.get(_canonical(name), ())]
    allowed = sorted(top for name in _with_requirements(packages) for top in tops.get(name, ()))
    result = work / "api.json"
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path if path),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "LC_ALL": "C.UTF-8",
    }
    command = [sys.executable, "-P", "-W", "ignore", "-m", package_api.__name__]
    finished = subprocess.run(
        [*command, str(result.resolve()), ",".join(roots), ",".join(allowed)],
        env=environment,
        cwd=work,  # what a module may write when it is imported goes with the temporary files
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if finished.returncode != 0:
        raise DenseflowError(
            f"source package_docs: listing the API of {', '.join(packages)} ended with status {finished.returncode}; "
            f"its last words: {finished.stderr.strip()[-500:]}"
        )
    listing = json.loads(result.read_text(encoding="utf-8"))
    failed = [root for root in roots if root in listing["skipped"]]
    if failed or not roots:
        raise DenseflowError(
            f"source package_docs, key 'packages': {', '.join(failed or packages)} cannot be imported "
            f"({listing['skipped']}); try `python -c 'import {(failed or ['NAME'])[0]}'` to see why, and reinstall it"
        )
    return listing


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _top_levels() -> dict[str, list[str]]:
    """Importable public top-level names, sorted, by canonical name of the distribution."""
    tops: dict[str, list[str]] = {}
    for top, distributions in sorted(metadata.packages_distributions().items()):
        for distribution in set(distributions):
            if top.isidentifier():
                tops.setdefault(_canonical(distribution), []).append(top)
    return tops


def _with_requirements(packages: Mapping[str, str]) -> set[str]:
    """Canonical names of the distributions and of all that they require, whatever is optional left out."""
    found: set[str] = set()
    waiting = [_canonical(name) for name in packages]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in requirements:
            named = re.match(r"[A-Za-z0-9._-]+", requirement)
            if named and "extra ==" not in requirement:
                waiting.append(_canonical(named.group(0)))
    return found


def _split(name: str, queries: Mapping[str, Query]) -> Split:
    ids = {key: f"q-{hashlib.sha256(key.encode()).hexdigest()[:12]}" for key in queries}
    return Split(
        queries={ids[key]: query.text for key, query in queries.items()},
        qrels={ids[key]: dict.fromkeys(sorted(query.relevant), 1) for key, query in queries.items()},
        origin=f"package_docs, split {name}",
    )


def _warnings(skipped: Mapping[str, str]) -> list[str]:
    if not skipped:
        return []
    return [f"{len(skipped)} modules cannot be imported without optional packages, left out: {examples(list(skipped))}"]
