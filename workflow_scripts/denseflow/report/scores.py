"""The evaluate stage's scores.tsv, by dataset, split, measure and system."""

import csv
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from denseflow.errors import DenseflowError


class Task(NamedTuple):
    """What systems are compared on."""

    dataset: str
    split: str
    measure: str


class Scores:
    """Values by query for each task and system; tasks, systems and queries in the order of the file."""

    def __init__(self, path: Path) -> None:
        """Read a scores.tsv.

        Raises:
            DenseflowError: A system lacks a query that another one has on the same task.
        """
        frame = pd.read_csv(
            path, sep="\t", quoting=csv.QUOTE_NONE, keep_default_na=False, dtype={"value": float, "query_id": str}
        ).astype({"system": str, "variant": str, "dataset": str, "split": str})
        self.systems: list[str] = list(frame["system"].unique())
        self.tasks: list[Task] = []
        self._values: dict[tuple[Task, str], pd.DataFrame] = {}
        for key, part in frame.groupby(["dataset", "split", "measure"], sort=False):
            task = Task(*map(str, key))
            self.tasks.append(task)
            queries = part["query_id"].unique()
            for system, of_system in part.groupby("system", sort=False):
                table = of_system.pivot(index="query_id", columns="variant", values="value")
                table = table.reindex(index=queries, columns=of_system["variant"].unique())
                if table.isna().any(axis=None):
                    raise DenseflowError(
                        f"{path}: {system} lacks values of {task.measure} for some queries of {task.dataset} "
                        f"{task.split} that other systems have; evaluate the experiment again"
                    )
                self._values[task, str(system)] = table

    def has(self, task: Task, system: str) -> bool:
        """Whether the system was scored on the task."""
        return (task, system) in self._values

    def queries(self, task: Task) -> list[str]:
        """The ids of a task's queries."""
        return list(next(table.index for (of, _), table in self._values.items() if of == task))

    def by_variant(self, task: Task, system: str) -> pd.DataFrame:
        """Values with a row a query and a column a variant (a seed)."""
        return self._values[task, system]

    def by_query(self, task: Task, system: str) -> pd.Series:
        """Each query's mean over the variants."""
        return self._values[task, system].mean(axis=1)
