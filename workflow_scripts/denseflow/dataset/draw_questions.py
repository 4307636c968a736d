"""Drawing some of a split's questions."""

from collections.abc import Mapping
from typing import Any, TypeVar

from denseflow.files import sha256_text

Q = TypeVar("Q")


def drawn_questions(questions: dict[str, Q], source: Mapping[str, Any], split: str) -> dict[str, Q]:
    """At most ``source["max_questions"][split]`` of the questions, by their ids, in their order.

    A question's place in the draw depends on ``source["seed"]`` and its own id alone.
    """
    most = (source.get("max_questions") or {}).get(split)
    if most is None:
        return questions
    order = sorted(questions, key=lambda id_: sha256_text(f"{source.get('seed', 0)} {id_}"))
    drawn = set(order[:most])
    return {id_: question for id_, question in questions.items() if id_ in drawn}
