"""Datasets of the Hugging Face hub at a commit that is recorded and kept, or a local folder."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from denseflow.dataset.collection_source import QUICKSTART, SourceCollection, examples
from denseflow.dataset.row_collection import Table, collection_of_documents, documents_of
from denseflow.dataset.row_pairs import collection_of_pairs
from denseflow.errors import DenseflowError
from denseflow.revisions import recorded, remember

ROWS = 1000
"""Rows that are taken from the dataset's file at once."""
COMMIT = re.compile(r"/([0-9a-f]{40})/")
"""The commit in the name of a file of the library's cache."""
SAVED = ("dataset_dict.json", "state.json")
"""Files of a folder that the datasets library saved, by which it is told from one with files of data."""


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """The collection of a source's splits.

    Args:
        source: The options of :class:`denseflow.config.sources.hugging_face.HuggingFaceSource`, and ``revisions``, a
            JSON file of what was recorded of the hub's commits, made where it is missing.
        work: A folder for what is made of a local one; of the hub, the datasets library keeps its files.

    Raises:
        DenseflowError: The dataset, a configuration, a split or a column is not there, or cannot be downloaded.
    """
    # Importing it takes a second or two: only who reads with it wants that.
    import datasets

    datasets.disable_progress_bars()
    opened = _Opened(datasets, source, work / "cache")
    place = opened.place
    pairs = {split: opened.table(one) for split, one in source["pairs"].items()}
    if pairs:
        collection = collection_of_pairs(pairs, place)
    else:
        documents = [opened.table(one) for one in source["documents"]]
        queries = [opened.table(one) for one in source["queries"]]
        judgements = {split: opened.table(one) for split, one in source["judgements"].items()}
        collection = collection_of_documents(partial(documents_of, documents), place, queries, judgements)
    if opened.commit is not None:
        collection.facts["revision"] = opened.commit
    if opened.others:
        collection.facts["other_revisions"] = opened.others
    yield collection


class _Opened:
    """A dataset of the library, of which each part is opened once.

    Attributes:
        place: Its name, for messages.
        commit: Of the hub; None for a local folder.
        others: The commits of the other datasets that some parts are in.
    """

    def __init__(self, library: Any, source: Mapping[str, Any], cache: Path) -> None:
        self._library, self._source, self._cache = library, source, cache
        self._parts: dict[tuple[str, str | None, str], Any] = {}
        self._revisions = Path(source["revisions"]) if source.get("revisions") else None
        self.commit: str | None = None
        self.others: dict[str, str] = {}
        self.place: str = source.get("path") or source["hub"]
        if source.get("hub") is not None:
            self.commit = pinned(source["hub"], source.get("revision"), self._revisions)
            self.place = f"{source['hub']} at {self.commit[:12]}"

    def table(self, options: Mapping[str, Any]) -> Table:
        """The rows of a split of a configuration."""
        other, config, split = options.get("hub"), options.get("config"), options["split"]
        place, hub, commit = self.place, self._source.get("hub"), self.commit
        if other is not None:
            key = _key(other, options.get("revision"))
            if key not in self.others:
                self.others[key] = pinned(other, options.get("revision"), self._revisions)
            hub, commit = other, self.others[key]
            place = f"{other} at {commit[:12]}"
        if (place, config, split) not in self._parts:
            self._parts[place, config, split] = self._open(place, hub, commit, config, split)
        named = ", ".join(filter(None, (config, split)))
        return Table(f"{place} ({named})", partial(_rows, self._parts[place, config, split]), options)

    def _open(self, place: str, hub: str | None, commit: str | None, config: str | None, split: str) -> Any:
        path = self._source.get("path") if hub is None else None
        try:
            if path is not None and any((Path(path) / name).is_file() for name in SAVED):
                return self._saved(Path(path), split)
            if path is not None:
                if not Path(path).is_dir():
                    raise DenseflowError(f"source.path: {Path(path).absolute()}: no such folder")
                return self._library.load_dataset(path, config, split=split, cache_dir=str(self._cache))
            part = self._library.load_dataset(hub, config, split=split, revision=commit)
        except DenseflowError:
            raise
        except Exception as error:  # the library's own errors are of many kinds
            raise DenseflowError(_explain(place, config, split, error)) from error
        self._check_commit(part, place, commit)
        return part

    def _check_commit(self, part: Any, place: str, commit: str | None) -> None:
        """Refuse what the library takes from its cache, whatever its commit, where it does not reach the hub."""
        found = [COMMIT.search(file["filename"]) for file in part.cache_files]
        others = {match.group(1) for match in found if match is not None} - {commit}
        if others:
            raise DenseflowError(
                f"{place}: not in the cache of the datasets library, which has {examples(sorted(others))} and "
                "does not reach the hub; run it where there is a network"
            )

    def _saved(self, path: Path, split: str) -> Any:
        found = self._library.load_from_disk(str(path))
        if not isinstance(found, self._library.DatasetDict):
            return found
        if split not in found:
            raise DenseflowError(f"{path}: no split {split!r}; there are {examples(list(found), 20)}")
        return found[split]


def pinned(hub: str, revision: str | None, revisions: Path | None) -> str:
    """The commit of a dataset: the one recorded, else the hub's of today, which is recorded.

    Raises:
        DenseflowError: It is not recorded, and the hub cannot be reached or has no such dataset.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError

    key = _key(hub, revision)
    known = recorded(revisions, key)
    if known is not None:
        return known["commit"]
    try:
        commit = str(HfApi().dataset_info(hub, revision=revision).sha)
    except (HfHubHTTPError, HTTPError, HFValidationError, OSError) as error:
        said = (str(error).strip() or repr(error)).splitlines()[0]
        raise DenseflowError(
            f"dataset {hub!r} cannot be found on the Hugging Face hub: {HfApi().endpoint}/datasets/{hub} was tried at "
            f"revision {revision or 'of its default branch'} ({type(error).__name__}: {said}). Check the name and the "
            "connection (a private or gated dataset wants HF_TOKEN); or download it elsewhere, put its files into a "
            f"folder and name that with `path:` in place of `hub:` in the data set's file. {QUICKSTART}"
        ) from error
    remember(revisions, key, {"commit": commit})
    return commit


def _key(hub: str, revision: str | None) -> str:
    return hub if revision is None else f"{hub}@{revision}"


def _rows(part: Any) -> Iterator[tuple[int, Mapping[Any, Any]]]:
    number = 0
    for batch in part.iter(ROWS):
        for values in zip(*batch.values(), strict=True):
            number += 1
            yield number, dict(zip(batch, values, strict=True))


def _explain(place: str, config: str | None, split: str, error: Exception) -> str:
    causes = [str(one) for one in (error, error.__cause__) if one is not None and str(one)]
    said = " ".join("; ".join(causes).split()) or repr(error)
    hint = "see that `config` and `split` are there"
    if "script" in said:
        hint = (
            "the library runs no code of a dataset's; many such datasets have their files, converted, at `revision: "
            "refs/convert/parquet`"
        )
    named = f"split {split!r}" if config is None else f"config {config!r}, split {split!r}"
    return f"{place}: {named} cannot be read ({type(error).__name__}: {said[:400]}); {hint}"
