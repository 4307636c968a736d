"""A real SLURM on this one machine, whose nodes have a GPU each that is none; it goes when the tests are done."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

NODES = {"node1": 200_000, "node2": 200_000, "node3": 400_000, "node4": 400_000}
"""The nodes and their MB of memory: more than there is, as the CPUs, since what a job asks for is only counted here."""
CPUS = 16
PARTITIONS = {"cpu": "node[1-2]", "gpu": "node[1-2]", "big": "node[3-4]"}
PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "scontrol", "squeue", "setpriv")
SETTINGS = Path("/etc/slurm")
"""Where SLURM's programs look when no variable says otherwise; the executor takes SLURM's variables from its jobs."""

CONFIGURATION = """\
ClusterName=denseflow
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=20
MailProg=/bin/true
SlurmdParameters=config_overrides
GresTypes=gpu
MinJobAge=3600
{nodes}
{partitions}
"""


def why_not() -> str | None:
    """Why SLURM cannot be started here; None where it can."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if missing:
        return f"needs SLURM and munge (Debian: slurm-wlm, munge); there is no {', '.join(missing)}"
    if os.geteuid() != 0:
        return "needs root, to start SLURM's daemons"
    if (SETTINGS / "slurm.conf").exists() and _says("scontrol", "ping").returncode == 0:
        return f"this machine has a SLURM that runs, by {SETTINGS / 'slurm.conf'}; the test starts its own"
    return None


class Cluster:
    """The two nodes, while they run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._daemons: dict[str, subprocess.Popen] = {}

    def start(self, name: str, *command: str) -> None:
        with (self.root / f"{name}.log").open("ab") as log:
            # However the tests end, the daemon ends with them.
            ending = ("setpriv", "--pdeathsig", "KILL")
            self._daemons[name] = subprocess.Popen([*ending, *command], stdout=log, stderr=log, start_new_session=True)

    def start_node(self, node: str) -> None:
        (self.root / f"spool.{node}").mkdir(exist_ok=True)
        self.start(node, "/usr/sbin/slurmd", "-D", "-N", node)

    def lose_node(self, node: str) -> None:
        """What happens when a machine loses its power: all that runs there is gone, and SLURM notices."""
        self._daemons.pop(node).kill()
        _kill_jobs_of(node)
        self.control("update", f"nodename={node}", "state=down", "reason=lost")

    def bring_back(self, node: str) -> None:
        self.start_node(node)
        self.control("update", f"nodename={node}", "state=resume")

    def control(self, *arguments: str) -> str:
        """What scontrol says."""
        return subprocess.run(["scontrol", *arguments], check=True, capture_output=True, text=True).stdout

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that SLURM knows of, ended ones too, as ``scontrol show job`` shows them."""
        lines = self.control("show", "job", "--oneliner").splitlines()
        fields = [[part.partition("=") for part in line.split()] for line in lines]
        return [{key: value for key, equals, value in parts if equals} for parts in fields]

    def jobs_of(self, comment: str) -> list[dict[str, str]]:
        """The jobs of a rule with these wildcards, such as `rule_train_wildcards_MODEL_SEED`, in their order."""
        return sorted((job for job in self.jobs() if job["Comment"] == comment), key=lambda job: int(job["JobId"]))

    def running(self, comment: str) -> dict[str, str]:
        """The one of these jobs that runs."""
        found = [job for job in self.jobs_of(comment) if job["JobState"] == "RUNNING"]
        assert len(found) == 1, self.jobs_of(comment)
        return found[0]

    def cancel(self, job: dict[str, str]) -> None:
        subprocess.run(["scancel", job["JobId"]], check=True)

    def end(self) -> None:
        for daemon in self._daemons.values():
            daemon.terminate()
        for node in NODES:
            _kill_jobs_of(node)
        for daemon in self._daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()


@contextmanager
def cluster(root: Path) -> Iterator[Cluster]:
    """A cluster in the folder ``root``; all of it ends with the block, however the block ends."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "state").mkdir()
    ports = _free_ports(1 + len(NODES))
    host = socket.gethostname().split(".")[0]
    nodes = [
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS} RealMemory={memory} Gres=gpu:1"
        for (node, memory), port in zip(NODES.items(), ports[1:], strict=True)
    ]
    partitions = [f"PartitionName={name} Nodes={listed} State=UP" for name, listed in PARTITIONS.items()]
    settings = {"host": host, "port": ports[0], "root": root}
    settings |= {"nodes": "\n".join(nodes), "partitions": "\n".join(partitions)}
    (root / "slurm.conf").write_text(CONFIGURATION.format(**settings))
    (root / "gres.conf").write_text("".join(f"NodeName={node} Name=gpu Count=1 File=/dev/null\n" for node in NODES))
    key = root / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    running = Cluster(root)
    with ExitStack() as stack:
        for name in ("slurm.conf", "gres.conf"):
            stack.enter_context(_linked(SETTINGS / name, root / name))
        stack.callback(running.end)
        files = [f"--{name}-file={root}/munge.{name}" for name in ("key", "pid", "seed", "log")]
        running.start("munged", "/usr/sbin/munged", "--foreground", "--force", f"--socket={root}/munge.socket", *files)
        wait_for((root / "munge.socket").exists, "munge")
        running.start("slurmctld", "/usr/sbin/slurmctld", "-D")
        for node in NODES:
            running.start_node(node)
        wait_for(lambda: len(_says("sinfo", "-hN", "-t", "idle", "-o", "%N").stdout.split()) >= len(NODES), "SLURM")
        yield running


def wait_for(done: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"{what}: not after {seconds} seconds"
        time.sleep(0.1)


@contextmanager
def _linked(link: Path, target: Path) -> Iterator[None]:
    """A link for the time of the block; what was there comes back, but for what tests left that were killed.

    With the settings of a SLURM that has ended, each start of Snakemake asks it in vain for nine seconds.
    """
    aside = link.with_name(f"{link.name}.before-test")
    link.parent.mkdir(exist_ok=True)
    for path in (link, aside):
        if path.is_symlink() and f"{os.sep}pytest-" in os.readlink(path):
            path.unlink()
    if os.path.lexists(link):
        link.rename(aside)
    link.symlink_to(target)
    try:
        yield
    finally:
        link.unlink()
        if os.path.lexists(aside):
            aside.rename(link)


def _says(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _kill_jobs_of(node: str) -> None:
    """Kill the processes of SLURM's jobs on a node, and the daemons that watch over them."""
    mark = f"SLURMD_NODENAME={node}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark not in (process / "environ").read_bytes().split(b"\0"):
                continue
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            watched = (Path("/proc") / str(parent) / "comm").read_text().startswith("slurmstepd")
            for number in [parent, int(process.name)] if watched else [int(process.name)]:
                os.kill(number, signal.SIGKILL)
        except OSError:  # it has ended meanwhile, or is none of ours
            continue
