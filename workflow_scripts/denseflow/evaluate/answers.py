"""Top-k accuracy in question answering: whether a passage contains an answer, be it the gold passage or not.

``dpr`` compares as DPR and Pyserini's evaluate_dpr_retrieval do (Karpukhin et al., 2020): text and answer in Unicode's
form NFD are cut into words and signs, and the answer's, case aside, must follow each other in the text. ``korquad`` is
for languages whose words carry endings: both are normalised as KorQuAD 1.0's official script does, and the answer must
be part of the text, also inside a word. ``regex`` takes each answer for a regular expression, as DPR does for
CuratedTREC. A title is no part of the text.
"""

import string
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import regex

from denseflow.collection import Document, read_answers
from denseflow.errors import DenseflowError
from denseflow.evaluate.ranks import trec_order
from denseflow.run_file import Run

_DPR_TOKEN = regex.compile(r"[\p{L}\p{N}\p{M}]+|[^\p{Z}\p{C}]")
_BETWEEN = "\n"
"""No token contains it, so that tokens joined by it are part of others joined by it only as whole tokens."""

_KORQUAD = str.maketrans({**dict.fromkeys(string.punctuation, ""), **dict.fromkeys("'\"《》<>〈〉()\u2018\u2019", " ")})


def dpr_form(text: str) -> str:
    """The tokens of a text as DPR's SimpleTokenizer makes them, lower case."""
    tokens = _DPR_TOKEN.findall(unicodedata.normalize("NFD", text))
    return _BETWEEN + "".join(token.lower() + _BETWEEN for token in tokens)


def korquad_form(text: str) -> str:
    """A text as KorQuAD's script normalises it: brackets and quotes to spaces, lower case, no other punctuation."""
    return " ".join(text.lower().translate(_KORQUAD).split())


def regex_form(text: str) -> str:
    """A text in Unicode's form NFD, as DPR takes texts and expressions."""
    return unicodedata.normalize("NFD", text)


REGEX = "regex"
FORMS: dict[str, Callable[[str], str]] = {"dpr": dpr_form, "korquad": korquad_form, REGEX: regex_form}


def has_answer(text: str, answers: Iterable[str], match: str) -> bool:
    """Whether a text contains one of the answers, by one of :data:`FORMS`."""
    form = FORMS[match](text)
    return any(contains(match, form, answer) for answer in forms(match, answers))


class Answers:
    """The answers to a split's questions, and the passages to look for them in."""

    def __init__(self, queries: Path, documents: Callable[[], Iterable[Document]]) -> None:
        """Read the answers.

        Args:
            queries: A queries.SPLIT.jsonl whose rows have a list ``answers``.
            documents: Starts over the collection's documents, one at a time.

        Raises:
            DenseflowError: No query has answers, or they are no list of texts.
        """
        self.queries = queries
        self.by_query = read_answers(queries)
        self._documents = documents
        if not self.by_query:
            raise DenseflowError(
                f"{queries}: no query has the key 'answers', a list of texts, which the measure Answer looks for; "
                "leave the measure out of the experiment's `measures` (Success@k looks for the gold passage instead), "
                "or add the answers to the collection's queries.jsonl"
            )

    def scores(self, run: Run, measures: Iterable[Any]) -> dict[Any, dict[str, float]]:
        """Each measure's values, 1 or 0, of all queries that have answers, in the file's order.

        The passages are read once for all measures.
        """
        measures = list(measures)
        depths: dict[str, int] = {}
        for measure in measures:
            depths[measure["match"]] = max(depths.get(measure["match"], 0), measure["cutoff"])
        places = self._first_places(run, depths)
        return {
            measure: {
                query: float(places[measure["match"]].get(query, measure["cutoff"] + 1) <= measure["cutoff"])
                for query in self.by_query
            }
            for measure in measures
        }

    def _first_places(self, run: Run, depths: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """For each way to match, the place, from 1, of each query's first passage that contains an answer."""
        wanted: dict[str, list[tuple[str, int]]] = {}
        for query in self.by_query:
            for place, retrieved in enumerate(trec_order(run.get(query, {}))[: max(depths.values())], start=1):
                wanted.setdefault(retrieved, []).append((query, place))
        first: dict[str, dict[str, int]] = {match: {} for match in depths}
        for document in self._documents():
            for match, depth in depths.items() if document.id in wanted else ():
                text = FORMS[match](document.text)
                for query, place in wanted[document.id]:
                    nearer = place <= min(depth, first[match].get(query, depth + 1))
                    if nearer and any(contains(match, text, answer) for answer in forms(match, self.by_query[query])):
                        first[match][query] = place
        return first


def forms(match: str, answers: Iterable[str]) -> list[str]:
    """Answers in the form of ``match``, those left out of which nothing remains."""
    found = (_form(match, answer) for answer in answers)
    return [form for form in found if form.strip()]  # of signs only, KorQuAD's normalisation leaves nothing


def contains(match: str, text: str, answer: str) -> bool:
    """Whether a text contains an answer, both in the form of ``match``."""
    if match != REGEX:
        return answer in text
    expression = _expression(answer)
    return expression is not None and expression.search(text) is not None


@cache
def _expression(answer: str) -> regex.Pattern | None:
    """None where it is none, which finds nothing, as in DPR."""
    try:
        return regex.compile(answer, regex.IGNORECASE | regex.MULTILINE)
    except regex.error:
        return None


@cache
def _form(match: str, answer: str) -> str:
    return FORMS[match](answer)
