import os
import sys
import time
from pathlib import Path

sys.path.insert(0, os.path.join(workflow.basedir, "workflow_scripts"))

from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError
from denseflow.report.indexes import print_indexes
from denseflow.report.terminal import print_tables
from denseflow.workflow.canonical import canonical
from denseflow.workflow.cards import card_inputs, card_options, model_cards
from denseflow.workflow.checkpoints import checkpoint_options, checkpoint_tables
from denseflow.workflow.data_pages import (
    data_page_inputs,
    data_page_options,
    data_pages,
    made_data_pages,
)
from denseflow.workflow.fusions import Fused
from denseflow.workflow.gpus import gpu_limit
from denseflow.workflow.graph import Graph
from denseflow.workflow.integrity import forcing
from denseflow.workflow.largest_machine import largest_machine
from denseflow.workflow.pages import page_options, page_tables, pages
from denseflow.workflow.reports import (
    crate_options,
    crates,
    expected_checks,
    expected_inputs,
    expected_options,
    near_twins,
    near_twins_inputs,
    near_twins_options,
)
from denseflow.workflow.searches import (
    index_gpus,
    index_options,
    index_search_inputs,
    index_search_options,
    index_table_inputs,
    index_table_options,
    index_tables,
    search_gpus,
)
from denseflow.workflow.similarity import (
    model_of,
    score_manifests,
    score_options,
    set_options,
    similarity_tables,
    table_options,
)

try:
    graph = Graph(Registry(config), Path(workflow.basedir))
    damaged = graph.damaged() if workflow.is_main_process else {}
except DenseflowError as error:
    raise WorkflowError(str(error)) from None

R = graph.results

# By this a limit on GPUs holds wherever a job runs, and without one no more jobs start than this machine has GPUs for.
given_gpus = workflow.global_resources.get("gpu")
gpus = gpu_limit(
    None if given_gpus is None else given_gpus.value,
    main=workflow.is_main_process,
    local=workflow.nodes is None,
    environment=os.environ,
)
if gpus is not None:
    workflow.register_resource("gpu", gpus)


# On a cluster no job asks for more than the largest machine has. Each job has that limit for itself.
resource_scopes:
    runtime="local",


if workflow.is_main_process and workflow.nodes is not None:
    for name, most in largest_machine().items():
        given = workflow.global_resources.get(name)
        if given is None or given.value is None:
            workflow.register_resource(name, most)

# By this the jobs of one run know each other, so that what concerns them all is said once.
os.environ.setdefault("DENSEFLOW_RUN", f"{os.getpid()}-{time.time_ns()}")

# A conda environment names what its stage imports; pip takes the versions of what these need in turn from the lock.
os.environ.setdefault("PIP_CONSTRAINT", f"{workflow.basedir}/requirements.lock")

# Snakemake does not look at what was altered inside a result. What a manifest lists is compared with it here, and the
# stage that made the altered file runs again: the graph is told when the inputs of the last rules are asked for.
for file in [file for files in damaged.values() for file in files]:
    logger.warning(
        f"{file} was deleted or altered after it was made: its stage runs again."
    )


def grown(base, given=lambda wildcards: None):
    """A resource that grows with the attempt, so that a job that was killed for want of it gets more when it is retried.

    What ``given`` finds in the configuration comes before ``base``.
    """
    return lambda wildcards, attempt: attempt * (given(wildcards) or base)


def of_dataset(key):
    return lambda wildcards: getattr(
        graph.registry.datasets[wildcards.dataset].run, key
    )


def of_model(key):
    return lambda wildcards: getattr(graph.model_run(wildcards.model), key)


def run_of(wildcards):
    """Where and with how much the model of an experiment's system runs."""
    return graph.model_run(model_of(graph, wildcards.experiment, wildcards.system))


def named(inputs):
    """A param: the names of the inputs that the configuration chooses. Which jobs make them ready is no part of it."""
    return canonical({name: str(path) for name, path in inputs.items()})


def on_several_machines(value):
    """A resource that only a training on several machines has: what ``value`` makes of the model's `run`."""

    def given(wildcards):
        run = graph.model_run(wildcards.model)
        return value(run) if run.nodes > 1 else None

    return given


def tables_of_checkpoints():
    try:
        return forcing(workflow.dag, damaged, checkpoint_tables(graph))
    except DenseflowError as error:
        raise WorkflowError(str(error)) from None


wildcard_constraints:
    dataset=r"[A-Za-z0-9_.-]+",
    split=r"[A-Za-z0-9_-]+",
    negatives=r"[A-Za-z0-9_.-]+(@seed\d+)?",
    model=r"[A-Za-z0-9_.-]+",
    teacher=r"[A-Za-z0-9_.-]+",
    experiment=r"[A-Za-z0-9_.-]+",
    set=r"[A-Za-z0-9_.-]+",
    system=r"[A-Za-z0-9_.-]+",
    analyzer=r"[A-Za-z0-9_-]+",
    seed=r"\d+",
    variant=r"pretrained|seed\d+",
    depth=r"\d+",
    part=r"|-of\d+",
