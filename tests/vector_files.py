"""Vectors written as the encode stage writes them, for tests of the search."""

from pathlib import Path
from typing import Any

import numpy as np

from denseflow.manifest import write_manifest


def write_vectors(
    folder: Path, name: str, array: np.ndarray, ids: list[str] | None = None, *, shard: int | None = None, **facts: Any
) -> Path:
    """Write ``array`` as NAME.npy, or in shards of so many rows, with ids such as c0; return the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [array] if shard is None else [array[start : start + shard] for start in range(0, len(array), shard)]
    files = [f"{name}.npy"] if shard is None else [f"{name}/{place:05}.npy" for place in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        (folder / file).parent.mkdir(exist_ok=True)
        np.save(folder / file, part)
    ids = [f"{name[0]}{row}" for row in range(len(array))] if ids is None else ids
    (folder / f"{name}.ids").write_text("".join(f"{id}\n" for id in ids))
    facts = {"shards": [{"file": file, "rows": len(part)} for file, part in zip(files, parts, strict=True)], **facts}
    facts["dimensions"] = array.shape[1]
    write_manifest(folder, "encode", [*files, f"{name}.ids"], name=f"{name}.manifest.json", **facts)
    return folder / f"{name}.manifest.json"
