"""A Slurm that switches its nodes off when they are idle, and on when there is work."""

import threading
from pathlib import Path

from tests.engines.slurm import configuration
from tests.engines.slurm.cluster import Cluster, find
from tests.waiting import eventually


class PowerSaving(Cluster):
    """Its nodes' daemons are what is switched."""

    network = "pow"

    def __init__(self) -> None:
        super().__init__()
        self._switches = Path(self.folder, "switches")
        self._switches.touch()
        self._done = 0
        self._over = threading.Event()
        self._switching = threading.Thread(target=self._switch_on_and_off)
        scontrol = find("scontrol")
        assert scontrol is not None
        configuration.write_power_saving(self.folder, self.nodes, scontrol)

    def start(self) -> None:
        super().start()
        self._switching.start()

    def stop(self) -> None:
        self._over.set()
        if self._switching.is_alive():
            self._switching.join()
        super().stop()

    def states(self) -> list[str]:
        """Slurm's word for the state of each node."""
        words = ["-hN", "-pmain", "-o%N %T"]
        return [line.split()[1] for line in self.ask("sinfo", *words).splitlines()]

    def wait_until_only_the_first_is_on(self) -> None:
        eventually(lambda: self.states() == ["idle", "idle~", "idle~"], 60, "idle nodes are off")

    def _switch_on_and_off(self) -> None:
        """Do what Slurm's programs have written down. The daemons of nodes that are switched on
        here belong to this thread, and end with it."""
        while not self._over.wait(0.1):
            lines = self._switches.read_text().splitlines()
            for line in lines[self._done :]:
                what, node = line.split()
                if what == "off":
                    self.kill_daemon(node)
                else:
                    self.start_node(node, "-b")  # as after a boot, which Slurm waits for
            self._done = len(lines)
