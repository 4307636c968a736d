"""near_twins.tsv: the queries that have a training query near them."""

from pathlib import Path

from denseflow.files import read_lines
from denseflow.manifest import read_manifest

FILE, MANIFEST = "near_twins.tsv", "near_twins.manifest.json"
HEADER = ("dataset", "split", "query_id", "training_split", "training_query_id", "shared_words", "shared_relevant")


def read_near_twins(manifest: Path) -> dict[tuple[str, str], set[str]]:
    """The ids of the queries with a near-twin, by dataset and split, as `write_near_twins` wrote them."""
    twins: dict[tuple[str, str], set[str]] = {
        (place["dataset"], place["split"]): set() for place in read_manifest(manifest)["places"]
    }
    lines = read_lines(manifest.with_name(FILE))
    next(lines)
    for _, line in lines:
        dataset, split, query_id, _, _, _, shared_relevant = line.split("\t")
        if int(shared_relevant):
            twins[dataset, split].add(query_id)
    return twins
