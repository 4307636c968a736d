"""What the sources of questions share: at most so many of a split."""

from collections.abc import Collection, Mapping


def check_max_questions(limits: Mapping[str, int] | None, splits: Collection[str]) -> None:
    """Refuse a limit of an unknown split, or below 1.

    Raises:
        ValueError: Key, value and what was expected.
    """
    for split, most in (limits or {}).items():
        if split not in splits or most < 1:
            raise ValueError(
                f"`max_questions.{split}` is {most}, expected one of `splits` ({', '.join(splits)}) and at least 1"
            )
