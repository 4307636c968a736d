"""A file of a collection, in config/datasets: on this machine, or to be downloaded."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from denseflow.addresses import last_part
from denseflow.config.section import Section, Text, option

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DataFile(Section):
    """A file, gzipped or not; with `path` and `url`, it is downloaded where nothing is at the path."""

    path: Text | None = option(None, "Where it is, relative to the working directory")
    url: Text | None = option(None, "Where to download it from, where there is nothing at `path`")
    sha256: Sha256 | None = option(
        None, "Its SHA-256, or that of what is packed in a .gz file; required with `url`, checked always"
    )

    @model_validator(mode="after")
    def _can_be_found_and_checked(self) -> "DataFile":
        if self.path is None and self.url is None:
            raise ValueError("give `path`, `url`, or both")
        if self.url is not None and self.sha256 is None:
            raise ValueError("`url` needs `sha256`: a download is checked against its sum")
        return self

    @property
    def name(self) -> str:
        """The file's name, `.gz` left out."""
        return last_part(self.path or self.url or "").removesuffix(".gz")


def data_files(value: Any, key: str) -> Iterator[tuple[str, DataFile]]:
    """All files of a section, each with its key, such as ``source.files.train``."""
    if isinstance(value, DataFile):
        yield key, value
    elif isinstance(value, Section):
        for name in type(value).model_fields:
            yield from data_files(getattr(value, name), f"{key}.{name}")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from data_files(item, f"{key}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from data_files(item, f"{key}[{number}]")
