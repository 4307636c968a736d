"""At which steps something that recurs in a training is due."""

from typing import Any


def due_steps(options: dict[str, Any], *, steps_per_epoch: int, steps: int) -> list[int]:
    """The steps, ascending.

    Args:
        options: ``every_steps``, or ``every_epochs`` (a part of one too), which is taken to the nearest step; every
            epoch where both are missing.
        steps_per_epoch: Optimizer steps of an epoch.
        steps: Optimizer steps of the whole training.
    """
    every = options.get("every_steps") or options.get("every_epochs", 1.0) * steps_per_epoch
    # Multiplied, so that errors of rounding do not add up.
    due = {round(place * every) for place in range(1, int(steps / every) + 2)}
    return sorted(step for step in due if 1 <= step <= steps)
