"""What the page says of trainings: their curves and their figures."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.files import read_lines
from denseflow.report.page.steps import Step
from denseflow.train.curve_names import SIMILARITIES, SIMILARITY

MOST_POINTS = 300
"""Of a curve; a longer one keeps every second one, every third one …"""

_CURVES = "curves.tsv"
_FIRST = ("loss", "learning_rate", "grad_norm")


class Curve(NamedTuple):
    """One quantity of one training."""

    series: str
    name: str
    points: list[tuple[int, float]]
    """Step and value."""


class Training(NamedTuple):
    """The figures of a training."""

    name: str
    facts: dict[str, Any]
    """The manifest's."""
    step: Step


class KeptScores(NamedTuple):
    """The scores of the models that a training kept along the way."""

    training: str
    place: str
    """The dataset and its split."""
    columns: list[tuple[str, str]]
    """Heading and kind of each column."""
    rows: list[tuple[int, str, list[float]]]
    """Step, the model's folder, and its scores."""


def find_trainings(steps: Sequence[Step]) -> list[Training]:
    """The trained models among what the experiment needs."""
    return [Training(step.name, dict(step.facts), step) for step in _trained(steps)]


def read_curves(steps: Sequence[Step]) -> dict[str, list[Curve]]:
    """The curves of all trainings by name: scores on dev, the loss, each training's similarities together, the rest."""
    curves: dict[str, list[Curve]] = {}
    for step in _trained(steps):
        of_step: dict[str, Curve] = {}
        lines = read_lines(step.manifest.with_name(_CURVES))
        next(lines)
        for _, line in lines:
            at, _, name, value = line.split("\t")
            curve = of_step.setdefault(name, Curve(step.name, name, []))
            curve.points.append((int(at), float(value)))
        for name, curve in of_step.items():
            if name.endswith(SIMILARITY):
                together = f"{SIMILARITIES} of {step.name}"
                curves.setdefault(together, []).append(
                    _thinned(curve)._replace(name=together, series=name.removesuffix(SIMILARITY))
                )
            else:
                curves.setdefault(name, []).append(_thinned(curve))
    watched = [f"dev/{step.facts['evaluation']['measure']}" for step in _trained(steps) if step.facts.get("evaluation")]
    order = {name: place for place, name in enumerate([*watched, *_FIRST])}
    order |= {name: order["loss"] for name in curves if name.startswith(SIMILARITIES)}
    names = sorted(curves, key=lambda name: (not name.startswith("dev/"), order.get(name, len(order)), name))
    return {name: curves[name] for name in names}


def read_kept(tables: Sequence[Path]) -> list[KeptScores]:
    """The scores in tables as :func:`denseflow.evaluate.checkpoints.score_checkpoints` writes them."""
    found = []
    for table in tables:
        (_, header), *lines = read_lines(table)
        rows = [line.split("\t") for _, line in lines]
        searched, dataset, split = table.stem.split(".", 1)[0], *table.stem.split(".", 1)[1].rsplit(".", 1)
        others = searched.partition("-of")[2]
        place = f"{dataset}, {split}" + (f" (the judged passages and {others} others)" if others else "")
        found.append(
            KeptScores(
                f"{table.parents[1].name}, {table.parent.name}",
                place,
                [("step", "number"), *((measure, "number") for measure in header.split("\t")[2:])],
                [(int(step), model, [float(score) for score in scores]) for step, model, *scores in rows],
            )
        )
    return found


def _trained(steps: Sequence[Step]) -> Iterator[Step]:
    return (step for step in steps if step.stage == "train" and _CURVES in step.facts.get("files", {}))


def _thinned(curve: Curve) -> Curve:
    every = -(-len(curve.points) // MOST_POINTS)
    points = curve.points[::every]
    return curve._replace(points=points if points[-1:] == curve.points[-1:] else [*points, curve.points[-1]])
