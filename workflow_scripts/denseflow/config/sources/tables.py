"""`type: tables`."""

from typing import Literal, Self

from pydantic import model_validator

from denseflow.config.data_file import DataFile
from denseflow.config.section import Section, SplitName, option, required
from denseflow.config.sources.columns import DocumentColumns, JudgementColumns, PairColumns, Parts, QueryColumns
from denseflow.errors import DenseflowError
from denseflow.table_rows import kind_of


class Table(Section):
    """A file of rows."""

    file: DataFile = required("The file, gzipped or not")
    format: Literal["csv", "tsv", "spaces", "json", "jsonl"] | None = option(
        None,
        "How it is written, where its ending does not say: `csv` (quoted), `tsv` (quotes are letters), `spaces` (white "
        "space between columns, as in TREC's qrels), `json` (a list of objects), `jsonl` (an object a line)",
    )

    @model_validator(mode="after")
    def _is_written_somehow(self) -> Self:
        if self.format is None:
            try:
                kind_of(self.file.name)
            except DenseflowError as error:
                raise ValueError(f"{error}; or give `format`") from None
        return self


class DocumentTable(DocumentColumns, Table):
    """Documents in a file."""


class QueryTable(QueryColumns, Table):
    """Queries in a file."""


class JudgementTable(JudgementColumns, Table):
    """A split's judgements in a file."""


class PairTable(PairColumns, Table):
    """A split's pairs in a file."""


class TablesSource(Parts):
    """One's own files: columns by name, or by number from 1 where a file has no header."""

    type: Literal["tables"] = required("`tables`")
    documents: list[DocumentTable] = option([], "Files of documents, together the collection")
    queries: list[QueryTable] = option([], "Files of queries, of all splits; those without a judgement are left out")
    judgements: dict[SplitName, JudgementTable] = option({}, "Each split's file of judgements")
    pairs: dict[SplitName, PairTable] = option(
        {}, "Each split's file of pairs of query and passage, instead of the three; all passages are the collection"
    )
