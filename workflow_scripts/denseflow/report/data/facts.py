"""data.json: what there is to say of a collection, whatever model reads it."""

import json
from pathlib import Path
from typing import Any

from denseflow.files import sha256, write_text
from denseflow.manifest import read_manifest, write_manifest
from denseflow.report.data.passages import passage_facts
from denseflow.report.data.splits import Split, between, ordered, split_facts

FILE, MANIFEST = "data.json", "data.manifest.json"


def write_facts(dataset: Path) -> dict[str, Any]:
    """Write data.json and data.manifest.json beside a dataset's files.

    Args:
        dataset: The dataset's manifest.

    Returns:
        The facts: ``passages``, ``splits`` by name, and ``between``, a part for each two splits,
        and ``shared_articles``, for splits that have parts of one article.

    Raises:
        DenseflowError: A file of the dataset is missing or altered.
    """
    manifest = read_manifest(dataset)
    counts = manifest["counts"]
    splits = [Split.read(dataset.parent, name) for name in ordered(list(counts["splits"]))]
    judged = {document_id for split in splits for levels in split.qrels.values() for document_id in levels}
    passages, missing = passage_facts(dataset.parent / "corpus.jsonl", counts["documents"], judged)
    facts = {
        "dataset": dataset.parent.name,
        "passages": passages,
        "splits": {split.name: split_facts(split, missing) for split in splits},
        "between": list(between(splits)),
        "shared_articles": manifest.get("facts", {}).get("shared_articles", []),
    }
    write_text(dataset.with_name(FILE), json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    packages = ["numpy", "py3langid", "scikit-learn", "scipy"]
    inputs = {"dataset": sha256(dataset)}
    write_manifest(dataset.parent, "report", [FILE], name=MANIFEST, packages=packages, inputs=inputs)
    return facts


def read_facts(manifest: Path) -> dict[str, Any]:
    """What :func:`write_facts` wrote.

    Raises:
        DenseflowError: The file is missing or altered.
    """
    read_manifest(manifest)
    return json.loads(manifest.with_name(FILE).read_text(encoding="utf-8"))
