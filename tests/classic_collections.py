"""The classic collections beside the project, read as their files in config/datasets say."""

import json
from pathlib import Path
from typing import Any

import yaml

from denseflow.config.dataset import Dataset
from denseflow.config.load import check, read_yaml
from denseflow.dataset.export import export
from denseflow.workflow.canonical import canonical

CONFIG = Path(__file__).resolve().parents[1] / "config" / "datasets"
CLASSIC = ("adi", "cacm", "cisi", "cranfield", "npl", "time")


def classic_source(shared: Path, name: str) -> dict[str, Any]:
    """The source of config/datasets/NAME.yaml, with the files of ``shared``."""
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text.replace("../shared/", f"{shared}/"))["source"]


def lay_out_classic(shared: Path, name: str, folder: Path) -> Path:
    """Write a collection as the dataset stage does."""
    dataset = check(Dataset, {**read_yaml(CONFIG / f"{name}.yaml"), "source": classic_source(shared, name)}, name)
    export(json.loads(canonical(dataset.source)), folder)
    return folder
