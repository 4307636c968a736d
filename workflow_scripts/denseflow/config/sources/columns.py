"""The columns that hold what of a collection: in files of tables and in Hugging Face's datasets."""

from typing import Self

from pydantic import model_validator

from denseflow.config.section import Section, SplitName, Text, option, required
from denseflow.config.similarity import Column


class Columns(Section):
    """What all have."""

    def columns(self) -> list[Text | int]:
        """All columns that are named."""
        found: list[Text | int] = []
        for name in type(self).model_fields:
            if name in COLUMN_KEYS:
                value = getattr(self, name)
                found += value if isinstance(value, list) else [] if value is None else [value]
        return found

    @model_validator(mode="after")
    def _names_or_numbers(self) -> Self:
        if len({type(column) for column in self.columns()}) > 1:
            raise ValueError(
                f"the columns {self.columns()} are names and numbers; give names, or numbers where there is no header"
            )
        return self


COLUMN_KEYS = (
    *("id", "title", "text", "answers", "query", "document", "level"),
    *("passage", "query_id", "passage_id", "negatives"),
)
"""The keys of all sections below that hold columns."""


class DocumentColumns(Columns):
    """Documents, one a row."""

    id: Column | None = option(None, "The column of its id; without it the row's number")
    title: Column | None = option(None, "The column of its title")
    text: list[Column] = required("The columns of its text, joined with a space", min_length=1)
    arrays: bool = option(False, "Texts are arrays of strings as numpy prints them (SciFact): joined with a space")


class QueryColumns(Columns):
    """Queries, one a row; a row that repeats an id must repeat its text."""

    id: Column | None = option(None, "The column of its id; without it the row's number")
    text: list[Column] = required("The columns of its text, joined with a space", min_length=1)
    answers: Column | None = option(
        None, "The column of its answers, a text, a list or a list as JSON writes it, for the measure Answer"
    )


class JudgementColumns(Columns):
    """Judgements of a split, one a row."""

    query: Column = required("The column of the query's id")
    document: Column = required(
        "The column of the document's id, or of several: a list, or one as JSON or numpy writes it"
    )
    level: Column | None = option(None, "The column of the level of relevance; without it, it is 1")
    levels: dict[Text | int, int] | None = option(
        None, "The level that each value of `level` means, such as `{relevant: 1}`; rows with others are left out"
    )

    @model_validator(mode="after")
    def _levels_of_a_column(self) -> Self:
        if self.levels is not None and self.level is None:
            raise ValueError("`levels` needs `level`, the column of these values")
        return self


class PairColumns(Columns):
    """Queries and passages of a split side by side: what both texts are, is one query or passage."""

    query: Column = required("The column of the query's text")
    passage: Column = required("The column of the passage's text")
    title: Column | None = option(None, "The column of the passage's title")
    query_id: Column | None = option(None, "The column of the query's id; without it, it is made of its text")
    passage_id: Column | None = option(None, "The column of the passage's id; without it, it is made of title and text")
    level: Column | None = option(None, "The column of the level of relevance; without it, it is 1")
    negatives: list[Column] = option(
        [], "Columns of texts, or lists of texts, that do not answer it, for negatives of the type `given`"
    )
    answers: Column | None = option(
        None, "The column of the answers, a text, a list or a list as JSON writes it, for the measure Answer"
    )


class Parts(Section):
    """A collection of documents, queries and judgements, or of pairs."""

    def split_names(self) -> list[str]:
        """The splits: those of the pairs, or of the judgements."""
        return list(getattr(self, "pairs", None) or getattr(self, "judgements", None) or {})

    @model_validator(mode="after")
    def _documents_or_pairs(self) -> Self:
        documents, queries = getattr(self, "documents", []), getattr(self, "queries", [])
        judgements, pairs = getattr(self, "judgements", {}), getattr(self, "pairs", {})
        if bool(documents) == bool(pairs):
            raise ValueError("give either `documents` (with `queries` and `judgements`) or `pairs`")
        if bool(queries) != bool(judgements):
            raise ValueError("`queries` and `judgements` go together; without both, it is a collection to train on")
        if pairs and queries:
            raise ValueError("`pairs` have their queries in them; leave `queries` and `judgements` out")
        return self


def answered(source: Section, split: SplitName) -> bool:
    """Whether a split's queries may have answers."""
    tables = [getattr(source, "pairs", {}).get(split), *getattr(source, "queries", [])]
    return any(table is not None and table.answers is not None for table in tables)


def gives_negatives(source: object, split: SplitName) -> bool:
    """Whether a source's pairs of a split have negatives of their own."""
    pairs = getattr(source, "pairs", {}).get(split)
    return pairs is not None and bool(pairs.negatives)
