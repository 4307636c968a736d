"""One query on one split: its rankings by the chosen systems, with what the collection says of the documents."""

from functools import cached_property
from typing import TYPE_CHECKING

from denseflow.collection import read_answers, read_qrels, read_queries
from denseflow.errors import DenseflowError
from denseflow.imports import importing
from denseflow.look.place import Place
from denseflow.look.view import Query, View, make_view, wanted_documents
from denseflow.manifest import read_manifest
from denseflow.run_file import RunFile

if TYPE_CHECKING:
    from denseflow.look.searchers import Ranking, Searchers, Texts

TESTED = "the experiment's run"
"""Where the ranking of one of the split's queries comes from: the very one that the table was made of."""

SEARCHED = "searched now"


class Looking:
    """A split of an experiment, opened to look at any query.

    Attributes:
        place: The split and the systems.
        queries: The split's queries, by id.
    """

    def __init__(self, place: Place, texts: "Texts", *, threads: int = 2) -> None:
        """Read the split.

        Args:
            place: The split and the systems.
            texts: Finds documents of the collection.
            threads: No ranking depends on it.

        Raises:
            DenseflowError: The collection was not made yet, or was altered.
        """
        read_manifest(place.require(place.dataset))
        self.place = place
        self.queries = read_queries(place.file("queries", "jsonl"))
        self._qrels = read_qrels(place.file("qrels", "tsv"))
        self._answers = read_answers(place.file("queries", "jsonl"))
        self._by_text: dict[str, str] = {}
        for id_, text in self.queries.items():
            self._by_text.setdefault(_plain(text), id_)
        self._runs: dict[str, RunFile] = {}
        self._texts, self._threads = texts, threads

    def query(self, text: str | None, id_: str | None) -> Query:
        """A query by its id, or by its text; a text that one of the split's queries has is that query.

        Raises:
            DenseflowError: There is no such id, or the text is empty.
        """
        on = self.place.on
        if id_ is not None and id_ not in self.queries:
            some = ", ".join(list(self.queries)[:5])
            raise DenseflowError(
                f"--query-id: {id_!r} is no query of {on.dataset}, split {on.split}, which has {len(self.queries)}, "
                f"such as {some}"
            )
        if id_ is None:
            if text is None or not text.strip():
                raise DenseflowError("the query is empty; give a text, or the id of one of the split's with --query-id")
            id_ = self._by_text.get(_plain(text))
        if id_ is None:
            return Query(str(text), None, {}, [])
        return Query(self.queries[id_], id_, self._qrels.get(id_, {}), self._answers.get(id_, []))

    def look(self, query: Query, top: int) -> View:
        """The first documents of each system for a query.

        Raises:
            DenseflowError: What a system needs was not made yet, or was altered.
        """
        systems = [(name, self._note(query, name)) for name in self.place.systems]
        rankings = [self._ranking(query, name) for name in self.place.systems]
        texts = self._texts(wanted_documents(query, rankings, top))
        return make_view(query, systems, rankings, texts, top)

    def search(self, system: str, text: str) -> "Ranking":
        """A system's ranking for a text, searched now, also where the split has such a query."""
        return self._searchers.ranking(system, text)

    def _ranking(self, query: Query, system: str) -> "Ranking":
        if query.id is None:
            return self.search(system, query.text)
        if system not in self._runs:
            run = self.place.require(self.place.run(system))
            read_manifest(run.with_suffix(".manifest.json"))
            self._runs[system] = RunFile(run)
        return self._runs[system].ranking(query.id)

    @cached_property
    def _searchers(self) -> "Searchers":
        with importing():  # which a query of the split does without
            from denseflow.look.searchers import Searchers
        return Searchers(self.place, self._texts, self._threads)

    def _note(self, query: Query, system: str) -> str:
        note, index = TESTED if query.id is not None else SEARCHED, self.place.config.systems[system].index
        if query.id is None and index is not None:
            note += f", exactly, without its index {index.type}"
        return note if len(self.place.config.seeds) == 1 else f"{note}, {self.place.variant(system)}"


def _plain(text: str) -> str:
    """A text as it is compared, however its words are spaced."""
    return " ".join(text.split())
