"""`type: beir`."""

from typing import Literal

from pydantic import model_validator

from denseflow.config.data_file import Sha256
from denseflow.config.section import Section, SplitName, Text, option, required


class BeirSource(Section):
    """A folder, archive or download in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv, gzipped or not."""

    type: Literal["beir"] = required("`beir`")
    path: Text | None = option(None, "The folder, .zip or .tar.gz, relative to the working directory")
    url: Text | None = option(None, "Where to download an archive from, instead of `path`")
    sha256: Sha256 | None = option(None, "The download's SHA-256, required with `url`")
    splits: list[SplitName] = required("The splits to take, such as `[train, dev, test]`", min_length=1)

    @model_validator(mode="after")
    def _path_or_download(self) -> "BeirSource":
        if (self.path is None) == (self.url is None):
            raise ValueError("give either `path` or `url`, not both and not neither")
        if (self.url is None) != (self.sha256 is None):
            raise ValueError("`url` and `sha256` go together: a download is checked against its sum")
        return self

    def split_names(self) -> list[str]:
        return list(self.splits)
