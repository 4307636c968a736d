"""A file of a collection, in config/datasets: on this machine, or to be downloaded."""

from typing import Annotated

from pydantic import Field, model_validator

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
        return (self.path or self.url or "").rsplit("/", 1)[-1].removesuffix(".gz")
