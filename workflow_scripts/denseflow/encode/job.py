"""An encoding at work: its inputs checked, its encoder loaded where it computes."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from denseflow.attention import check_attention, set_attention
from denseflow.contract import Contract
from denseflow.device import choose_device, make_deterministic, set_threads
from denseflow.encode.compiled import compile_encoder
from denseflow.encoder import load_encoder, read_contract
from denseflow.files import sha256, sha256_text
from denseflow.manifest import read_manifest
from denseflow.precision import usable_precision
from denseflow.splade import is_sparse_folder

LOG = logging.getLogger("denseflow")

FP32, FLOAT32 = "fp32", "float32"


@dataclass
class Job:
    """A model and a collection, and where and how the one encodes the other.

    Attributes:
        model_manifest: Of the train stage; the encoder is in ``model/`` beside it.
        dataset_manifest: Of the dataset stage.
        granted_gpus: 0 computes on the CPU.
        threads: How many threads torch may use.
        options: ``precision`` and ``storage`` of the model's section ``encode``, where they are not neutral.
        attention: The attention's implementation; None: transformers' choice.
        compiled: Whether torch.compile compiles the encoder.
        batch_tokens: See :func:`denseflow.encode.batches.encode_rows`.
    """

    model_manifest: Path
    dataset_manifest: Path
    granted_gpus: int
    threads: int
    options: Mapping[str, str] = field(default_factory=dict)
    attention: str | None = None
    compiled: bool = False
    batch_tokens: int | None = None

    def __post_init__(self) -> None:
        """Check the inputs.

        Raises:
            DenseflowError: A file is missing or altered.
        """
        read_manifest(self.dataset_manifest)
        read_manifest(self.model_manifest)
        self.inputs = {"model": sha256(self.model_manifest), "dataset": sha256(self.dataset_manifest)}

    @property
    def precision(self) -> str:
        """What the vectors are computed in, as far as the device has it."""
        return self.options.get("precision", FP32)

    @property
    def storage(self) -> str:
        """What the passages' vectors are kept as."""
        return self.options.get("storage", FLOAT32)

    def key(self, code: str) -> str:
        """What the vectors depend on: the inputs, the options, and the code by its fingerprint."""
        return sha256_text(json.dumps([self.inputs, dict(self.options), code], sort_keys=True))

    @cached_property
    def model(self) -> SentenceTransformer:
        """The encoder on its device, in evaluation mode.

        Raises:
            DenseflowError: It cannot be loaded, or there is a GPU that torch cannot use.
        """
        device = choose_device(self.granted_gpus)
        set_threads(self.threads)
        make_deterministic()
        return load_encoder(self.model_manifest.parent / "model", device=device)

    @cached_property
    def sparse(self) -> bool:
        """Whether the encoder is a sparse one."""
        return is_sparse_folder(self.model_manifest.parent / "model")

    @property
    def contract(self) -> Contract:
        """The encoder's contract."""
        return read_contract(self.model)

    def prepare(self) -> str:
        """Make the encoder ready to compute, and return the precision that it computes in.

        Raises:
            DenseflowError: The device has not the attention or the precision that is asked for.
        """
        model, device = self.model, self.model.device
        precision = usable_precision(self.precision, str(device), "encode.precision")
        check_attention(self.attention, str(device), precision, "encode.precision")
        set_attention(model, self.attention)
        if self.compiled:
            compile_encoder(model)
        LOG.info("encoding on %s with %d threads in %s: %s", device, self.threads, precision, self.contract)
        return precision

    def facts(self) -> dict[str, Any]:
        """What a manifest says of the work."""
        contract = self.contract
        return {
            "contract": contract.as_dict(),
            "similarity": contract.similarity,
            "inputs": self.inputs,
        }
