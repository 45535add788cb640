"""Processor quotas of Linux control groups, which the affinity does not show."""

from __future__ import annotations

from pathlib import Path


def processor_quota() -> float | None:
    """Return the quota in processors, from cgroups version 2 or 1; None: no limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        folder = Path("/sys/fs/cgroup/cpu")
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    return None if quota in ("max", "-1") else int(quota) / int(period)
