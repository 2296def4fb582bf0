"""What Lightning asks about the processes of a run, answered by `launch`.

Lightning's own guess takes a SLURM batch script for srun and then waits for processes that nobody started, ignores
SIGTERM under SLURM, and wants srun to be given --ntasks-per-node.
"""

from __future__ import annotations

from lightning.fabric.plugins.environments import ClusterEnvironment

from snnbench.train.launch import launch


class LaunchEnvironment(ClusterEnvironment):
    """The processes are there when Lightning starts; it starts none."""

    def __init__(self) -> None:
        super().__init__()
        self._launch = launch()

    @staticmethod
    def detect() -> bool:
        return True

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self._launch.address

    @property
    def main_port(self) -> int:
        return self._launch.port

    def world_size(self) -> int:
        return self._launch.processes

    def set_world_size(self, size: int) -> None:
        """Nothing to set: the launcher decided."""

    def global_rank(self) -> int:
        return self._launch.rank

    def set_global_rank(self, rank: int) -> None:
        """Nothing to set: the launcher decided."""

    def local_rank(self) -> int:
        return self._launch.local_rank

    def node_rank(self) -> int:
        return self._launch.node
