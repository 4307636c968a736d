"""A pretrained cross-encoder, from an installed package, a folder or the hub, laid down as a trained one is."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentence_transformers import CrossEncoder

from denseflow.cross_encoder import apply_pair_contract, load_cross_encoder, save_cross_encoder
from denseflow.encoder import replace_folder
from denseflow.manifest import write_manifest
from denseflow.train.model_files import list_files
from denseflow.train.pretrained import PACKAGES, fetch, keep_bytes

LOG = logging.getLogger("denseflow")


def prepare_cross_encoder(
    source: Mapping[str, Any], contract: Mapping[str, Any], folder: Path, revisions: Path
) -> dict[str, Any]:
    """Write ``folder/model``, a sentence-transformers CrossEncoder folder, and ``folder/manifest.json``.

    Weights that are float32 safetensors already keep their bytes.

    Args:
        source: As for :func:`denseflow.train.pretrained.prepare`: a CrossEncoder folder, or a plain one for sequence
            classification with one label.
        contract: Fields of :class:`denseflow.cross_encoder.PairContract` to change.
        folder: Where the result goes.
        revisions: The JSON file in which the commits of models from the hub are recorded.

    Raises:
        DenseflowError: The source cannot be reached, is no cross-encoder, wants to run code that is not trusted, or
            does not go with the contract.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".model.") as temporary:
        files, result = Path(temporary) / "files", Path(temporary) / "result"
        model, facts = fetch(source, files, revisions, _load)
        whole = apply_pair_contract(model, contract)
        save_cross_encoder(model, result)
        keep_bytes(files, result)
        replace_folder(result, folder / "model")
    LOG.info("%s: %s", facts, whole)
    return write_manifest(
        folder,
        "train",
        [f"model/{file}" for file in list_files(folder / "model")],
        packages=PACKAGES,
        kind="cross_encoder",
        source=facts,
        contract=whole.as_dict(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


def _load(files: Path, name: str, trust: bool) -> CrossEncoder:
    return load_cross_encoder(files, trust_remote_code=trust, name=name)
