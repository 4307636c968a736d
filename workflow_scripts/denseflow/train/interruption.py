"""Being told to stop: the step at hand is finished and kept before the process ends."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

LOG = logging.getLogger("denseflow")

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether the process was told to stop, and by which signal.

    Attributes:
        file: Where another process tells it, by the signal's number.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._number = 0

    def __bool__(self) -> bool:
        return self.number != 0

    @property
    def number(self) -> int:
        """The signal's number; 0 where the process was not told to stop."""
        if self._number == 0 and self.file is not None and self.file.exists():
            self._number = int(self.file.read_text(encoding="utf-8"))
        return self._number

    @number.setter
    def number(self, number: int) -> None:
        self._number = number

    @property
    def signal(self) -> str:
        """The signal's name."""
        return signal.Signals(self.number).name


@contextmanager
def stop_on_signal(file: Path | None = None) -> Iterator[StopRequest]:
    """Turn the first SIGTERM or SIGINT of the block into a request; a SIGINT after it acts at once, as usual.

    A SIGTERM after it is passed over: Slurm sends one for the job and one for its step, and SIGKILL when time is up.

    Args:
        file: Where a launcher tells this process to stop, which then is the one to act at once: all further signals
            are passed over here, since torchrun sends some of its own.
    """
    request = StopRequest(file)
    if threading.current_thread() is not threading.main_thread():
        yield request  # Python gives signals to the main thread alone
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        if not request:
            request.number = number
            LOG.warning("%s: stopping after this step, with a checkpoint", request.signal)
        if file is None:
            signal.signal(signal.SIGINT, before[signal.SIGINT])

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield request
    finally:
        restore()
