"""Draw how the similarities of a training's pairs went, for an experiment's page: one panel a training.

    python docs/similarities.py EXPERIMENT [results folder]

writes docs/results/EXPERIMENT.similarities.svg from results/train/MODEL/seedN/curves.tsv of the experiment's models.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import yaml
from matplotlib import rc_context
from matplotlib.figure import Figure

PROJECT = Path(__file__).resolve().parents[1]
KINDS = {"positive": "C0", "mixed": "C1", "negative": "C2"}


def draw(results: Path, experiment: str) -> Path | None:
    """The picture's path; None where no model of the experiment has such curves."""
    compared = yaml.safe_load((PROJECT / "config" / "experiments" / f"{experiment}.yaml").read_text(encoding="utf-8"))
    models = dict.fromkeys(system["model"] for system in compared["systems"].values() if "model" in system)
    files = [results / "train" / model / f"seed{compared.get('seeds', [0])[0]}" / "curves.tsv" for model in models]
    trainings = [(file.parent.parent.name, _similarities(file)) for file in files if file.is_file()]
    trainings = [(name, curves) for name, curves in trainings if curves]
    if not trainings:
        return None
    # Text as text and a fixed salt of the ids: the same curves give the same file.
    with rc_context({"svg.hashsalt": "denseflow", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(4.5 * len(trainings), 3))
        figure.subplots_adjust(0.075, 0.16, 0.99, 0.9, wspace=0.12)
        panels = figure.subplots(1, len(trainings), sharey=True, squeeze=False)[0]
        for axes, (name, curves) in zip(panels, trainings, strict=True):
            for kind, colour in KINDS.items():
                if kind in curves:
                    axes.plot(*zip(*curves[kind], strict=True), color=colour, linewidth=1.4, label=kind)
            axes.legend(frameon=False)
            axes.set_title(name)
            axes.set_xlabel("step")
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel("mean cosine to the anchor")
        path = PROJECT / "docs" / "results" / f"{experiment}.similarities.svg"
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path


def _similarities(file: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of each kind of pair."""
    curves: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if row["name"].endswith("_similarity"):
                curves[row["name"].removesuffix("_similarity")].append((int(row["step"]), float(row["value"])))
    return curves


if __name__ == "__main__":
    print(draw(Path(sys.argv[2] if len(sys.argv) > 2 else "results"), sys.argv[1]))
