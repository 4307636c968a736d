"""An experiment's split to look at: its collection, and the systems that are laid beside each other."""

from collections.abc import Sequence
from pathlib import Path

from denseflow.config.experiment import EvaluationSet, Experiment
from denseflow.config.load import read_yaml
from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError
from denseflow.workflow.graph import Graph

CONFIG = Path("config")
MOST_SYSTEMS = 4


class Place:
    """A split of an experiment, with the names of the chosen systems, the one called before first.

    Attributes:
        experiment: The experiment's name.
        on: The dataset and the split.
        systems: The names of the systems to show.
    """

    def __init__(
        self,
        graph: Graph,
        experiment: str,
        *,
        dataset: str | None = None,
        split: str | None = None,
        systems: Sequence[str] = (),
        seed: int | None = None,
    ) -> None:
        """Choose a split and systems.

        Args:
            graph: The configuration's graph, as :func:`open_experiment` gives it.
            experiment: The experiment's name.
            dataset: One of its datasets; None: the first.
            split: One of its splits; None: the first of the dataset.
            systems: Names of its systems, at most four; none: "before" and what is to be compared with it.
            seed: The seed of the trained models; None: the first of the experiment's.

        Raises:
            DenseflowError: The experiment has no such dataset, split, system or seed.
        """
        self.graph, self.experiment = graph, experiment
        self.on = _evaluation_set(self.config, experiment, dataset, split)
        self.systems = list(systems) or _before_and_after(graph.registry, self.config)
        self.seed = self.config.seeds[0] if seed is None else seed
        for name in self.systems:
            if name not in self.config.systems:
                raise DenseflowError(
                    f"--systems: {name!r}, expected systems of the experiment {experiment}: "
                    f"{', '.join(self.config.systems)}"
                )
        if len(self.systems) > MOST_SYSTEMS or len(set(self.systems)) < len(self.systems):
            raise DenseflowError(
                f"--systems: {' '.join(self.systems)}, expected at most {MOST_SYSTEMS} different systems, so that they "
                "can be read side by side"
            )
        if self.seed not in self.config.seeds:
            raise DenseflowError(f"--seed: {seed}, expected one of the experiment's seeds {self.config.seeds}")

    @property
    def config(self) -> Experiment:
        """The experiment's file."""
        return self.graph.registry.experiments[self.experiment]

    @property
    def dataset(self) -> Path:
        """The manifest of the collection."""
        return self.graph.dataset(self.on.dataset)

    def file(self, kind: str, ending: str) -> Path:
        """A file of the split, such as queries.test.jsonl."""
        return self.dataset.parent / f"{kind}.{self.on.split}.{ending}"

    def variant(self, system: str) -> str:
        """The variant of a system that is shown: its own, or that of the seed."""
        variants = list(self.graph.runs(self.config, system, self.on))
        wanted = f"seed{self.seed}"
        return wanted if wanted in variants else variants[0]

    def run(self, system: str) -> Path:
        """A system's run on the split."""
        return self.graph.runs(self.config, system, self.on)[self.variant(system)]

    def require(self, path: Path) -> Path:
        """The path, if the file is there.

        Raises:
            DenseflowError: It is not, with the command that makes it.
        """
        if not path.is_file():
            raise DenseflowError(
                f"{path}: not there yet. Make the experiment's results first: snakemake --cores all --config "
                f"'experiments=[{self.experiment}]'. Results elsewhere are named with --results FOLDER"
            )
        return path


def open_experiment(name: str, results: str | None = None, config: Path = CONFIG) -> Graph:
    """The graph of one experiment; paths are relative to the working directory, as for Snakemake.

    Args:
        name: A file of config/experiments.
        results: The folder of results; None: what config.yaml says.
        config: The folder of the configuration.

    Raises:
        DenseflowError: There is no such experiment, or its configuration has a mistake.
    """
    file = config / "config.yaml"
    if not file.is_file():
        raise DenseflowError(f"{file}: no such file in {Path.cwd()}; call denseflow in the folder of the Snakefile")
    values = {**read_yaml(file), "experiments": [name]}
    return Graph(Registry(values if results is None else {**values, "results": results}, config), config.parent)


def _evaluation_set(config: Experiment, name: str, dataset: str | None, split: str | None) -> EvaluationSet:
    for on in config.evaluate_on:
        if dataset in (None, on.dataset) and split in (None, on.split):
            return on
    known = ", ".join(f"--dataset {on.dataset} --split {on.split}" for on in config.evaluate_on)
    raise DenseflowError(f"dataset {dataset}, split {split}: the experiment {name} has none such; it has {known}")


def _before_and_after(registry: Registry, config: Experiment) -> list[str]:
    """The system called before, and the first that the report calls after, or is trained, or is another one."""
    others = [name for name in config.systems if name != config.before]
    trained = [name for name in others if (model := config.systems[name].model) and registry.trained(model)]
    return [config.before, *[*(config.report.after or []), *trained, *others][:1]]
