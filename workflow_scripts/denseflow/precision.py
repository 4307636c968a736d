"""The precision that a device computes in."""

import logging

import torch

from denseflow.errors import DenseflowError

LOG = logging.getLogger("denseflow")


def usable_precision(precision: str, device: str, key: str) -> str:
    """The precision to compute in: the one asked for, but ``fp32`` for ``fp16`` on a CPU, which has no fast float16.

    Args:
        precision: ``fp32``, ``bf16`` or ``fp16``.
        device: torch's name of the device.
        key: The option to name in errors, such as ``recipe.precision``.

    Raises:
        DenseflowError: The GPU has no bfloat16.
    """
    on_cpu = torch.device(device).type == "cpu"
    if precision == "fp16" and on_cpu:
        LOG.warning("PRECISION: %s is fp16, which needs a GPU; computing on this CPU in fp32 instead", key)
        return "fp32"
    if precision == "bf16" and on_cpu and not _cpu_has_bf16():
        LOG.warning("PRECISION: this CPU has no instructions for bf16, which is slower than fp32 then")
    if precision == "bf16" and not on_cpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise DenseflowError(f"{key}: bf16, which {torch.cuda.get_device_name(device)} has not; set it to fp16 or fp32")
    return precision


def _cpu_has_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
