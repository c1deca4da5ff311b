"""The configuration of a cluster of three nodes on one machine."""

import re
from collections.abc import Sequence
from pathlib import Path

CORES, MEMORY_MB = 2, 4000
CONTROLLER_PORT, FIRST_NODE_PORT = 6817, 6901
NODE_TIMEOUT_SECONDS = 10
IDLE_SECONDS = 4
KILL_WAIT_SECONDS = 5

SLURM = """\
ClusterName=lab
SlurmctldHost={host}({address})
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/{control}
TaskPlugin=task/{task}
JobAcctGatherType=jobacct_gather/{accounting}
MpiDefault=none
GresTypes=gpu
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout={node_timeout}
SlurmctldTimeout=30
MessageTimeout=5
KillWait={kill_wait}
MinJobAge=300
FirstJobId=1
DebugFlags=NO_CONF_HASH
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
"""
CGROUP = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
CgroupAutomount=no
ConstrainRAMSpace=yes
"""


POWER_SAVING = """\
SuspendProgram={folder}/off
ResumeProgram={folder}/on
SuspendTime={idle}
SuspendTimeout=1
ResumeTimeout=120
SuspendRate=0
ResumeRate=0
SuspendExcNodes={stays}
SlurmctldParameters=power_save_interval=1,power_save_min_interval=0
"""
SWITCH = """\
#!/bin/sh
export SLURM_CONF={folder}/slurm.conf
{scontrol} show hostnames "$1" | sed 's/^/{what} /' >>{folder}/switches
"""


def limits_memory() -> bool:
    """Whether this machine's control groups (of the first version) can be written."""
    probe = Path("/sys/fs/cgroup/memory", f"probe-{id(SLURM)}")
    try:
        probe.mkdir()
    except OSError:
        return False
    probe.rmdir()
    return True


def count_from(conf: Path, number: int) -> None:
    """The next job of a controller without a saved state gets this number."""
    new = conf.with_suffix(".new")
    new.write_text(re.sub(r"(?m)^FirstJobId=\d+$", f"FirstJobId={number}", conf.read_text()))
    new.rename(conf)


def write_power_saving(folder: Path, nodes: Sequence[str], scontrol: str) -> None:
    """Have idle nodes switched off, but the first; which are to be switched is in `switches`. None
    dies here, so that one on a busy machine has its time."""
    conf = folder / "slurm.conf"
    patient = re.sub(r"(?m)^SlurmdTimeout=\d+$", "SlurmdTimeout=120", conf.read_text())
    more = POWER_SAVING.format(folder=folder, idle=IDLE_SECONDS, stays=nodes[0])
    conf.write_text(patient + more)
    for what in ("on", "off"):
        text = SWITCH.format(folder=folder, scontrol=scontrol, what=what)
        (folder / what).write_text(text)
        (folder / what).chmod(0o755)


def write(folder: Path, host: str, address: str, nodes: Sequence[str]) -> Path:
    """Put the files into `folder`; the path of slurm.conf. The last node has a GPU, by its word."""
    groups = limits_memory()
    text = SLURM.format(
        folder=folder,
        host=host,
        address=address,
        port=CONTROLLER_PORT,
        control="cgroup" if groups else "linuxproc",
        task="cgroup" if groups else "none",
        accounting="cgroup" if groups else "linux",
        node_timeout=NODE_TIMEOUT_SECONDS,
        kill_wait=KILL_WAIT_SECONDS,
    )
    for number, name in enumerate(nodes):
        where = f"NodeHostname={host} NodeAddr={address} Port={FIRST_NODE_PORT + number}"
        gpu = "Gres=gpu:1" if name == nodes[-1] else ""
        text += f"NodeName={name} {where} CPUs={CORES} RealMemory={MEMORY_MB} {gpu}\n"
    every = ",".join(nodes)
    text += f"PartitionName=main Nodes={every} Default=YES MaxTime=INFINITE State=UP\n"
    text += f"PartitionName=short Nodes={every} MaxTime=10 State=UP\n"
    (folder / "gres.conf").write_text(f"NodeName={nodes[-1]} Name=gpu File=/dev/null\n")
    if groups:
        (folder / "cgroup.conf").write_text(CGROUP)
    path = folder / "slurm.conf"
    path.write_text(text)
    return path
