"""Processes started ahead of the runs that need them.

For each interpreter there is one *zygote*: a process that has imported what a runner and a Python
kernel need, and forks. It keeps one *spare*: a runner whose kernel is up and waits. A run takes it
over, once; a spare is never used for a second run. Where what was imported ahead is not what a new
process would import, the run starts cold instead, with `jobs.prewarmed.start` as with
`processes.start`. Linux only; elsewhere every start is a cold one.
"""

from ml_workspace_lab.jobs.prewarmed.zygotes import ENABLED, ZYGOTES, start

__all__ = ["ENABLED", "ZYGOTES", "start"]
