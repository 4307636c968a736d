"""`type: hugging_face`."""

from typing import Literal, Self

from pydantic import model_validator

from denseflow.config.section import Section, SplitName, Text, option, required
from denseflow.config.sources.columns import DocumentColumns, JudgementColumns, PairColumns, Parts, QueryColumns


class Rows(Section):
    """A split of a configuration."""

    hub: Text | None = option(None, "Another dataset of the hub that it is in, such as one of judgements alone")
    revision: Text | None = option(None, "With `hub`: its commit, tag or branch")
    config: Text | None = option(None, "The dataset's configuration (subset); without it its only one")
    split: Text = required("The configuration's split, such as `train`")

    @model_validator(mode="after")
    def _revision_of_hub(self) -> Self:
        if self.revision is not None and self.hub is None:
            raise ValueError("`revision` goes with `hub`")
        return self


class DocumentRows(DocumentColumns, Rows):
    """Documents in a split of the dataset."""


class QueryRows(QueryColumns, Rows):
    """Queries in a split of the dataset."""


class JudgementRows(JudgementColumns, Rows):
    """A split's judgements in a split of the dataset."""


class PairRows(PairColumns, Rows):
    """A split's pairs in a split of the dataset."""


class HuggingFaceSource(Parts):
    """A dataset of the Hugging Face hub, or a local folder as the datasets library reads or saves them."""

    type: Literal["hugging_face"] = required("`hugging_face`")
    hub: Text | None = option(None, "The dataset's name on the hub")
    revision: Text | None = option(
        None, "With `hub`: commit, tag or branch; the commit is recorded at the first use and kept"
    )
    path: Text | None = option(None, "The folder, instead of `hub`, relative to the working directory")
    documents: list[DocumentRows] = option([], "Where the documents are, together the collection")
    queries: list[QueryRows] = option([], "Where the queries are, of all splits; without a judgement they are left out")
    judgements: dict[SplitName, JudgementRows] = option({}, "Where each split's judgements are")
    pairs: dict[SplitName, PairRows] = option(
        {}, "Where each split's pairs of query and passage are, instead of the three; all passages are the collection"
    )

    @model_validator(mode="after")
    def _hub_or_folder(self) -> Self:
        if (self.hub is None) == (self.path is None):
            raise ValueError("give either `hub` or `path`, not both and not neither")
        if self.revision is not None and self.hub is None:
            raise ValueError("`revision` goes with `hub`")
        return self
