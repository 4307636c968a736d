"""Where and with how much a training runs. Nothing of it changes a result beyond floating point."""

from dataclasses import dataclass
from pathlib import Path

from denseflow.train.processes import ALONE, Processes


@dataclass(frozen=True)
class Where:
    """What a training may use, and what it reports to.

    Attributes:
        granted_gpus: As many GPUs as the workflow granted to this process, which uses one.
        threads: CPU threads.
        processes: Those that train together. A process that was given a device uses that one.
        attention: The attention's implementation; None: transformers' choice. On a GPU each draws dropout of its own.
        micro_batch: Sequences whose activations are held at once, by GradCache; None: the whole batch's. Values above
            32 act as 32. Smaller ones draw other dropout, and so change more than floating point.
        checkpoint_minutes: Time between checkpoints.
        checkpoint_steps: Steps between further checkpoints, or None.
        trial: Whether to estimate time and memory by a batch or two before the first step.
        tensorboard: A folder of this training's own for TensorBoard's files, or None.
        wandb: A folder for Weights & Biases' files, whose name is the run's, or None.
    """

    granted_gpus: int = 0
    threads: int = 1
    processes: Processes = ALONE
    attention: str | None = None
    micro_batch: int | None = None
    checkpoint_minutes: float = 10.0
    checkpoint_steps: int | None = None
    trial: bool = True
    tensorboard: Path | None = None
    wandb: Path | None = None
