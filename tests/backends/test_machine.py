"""What is said of this machine."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from fastnn.backends import machine


@pytest.mark.parametrize(
    ("text", "name"),
    [("vendor_id : x\nmodel name\t: Fast CPU @ 3 GHz\n", "Fast CPU @ 3 GHz"), ("", "riscv64")],
)
def test_the_processor_has_its_name_from_the_system_or_that_of_its_kind(
    monkeypatch, tmp_path, text, name
):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert machine.processor() == name


def test_the_processor_of_a_mac_is_asked_for_wherever_path_leads(monkeypatch):
    def run(command, **_):
        assert command[0] == "/usr/sbin/sysctl"
        return SimpleNamespace(stdout="Apple M1\n")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", run)
    assert machine.processor() == "Apple M1"


def test_a_mac_that_cannot_be_asked_has_a_processor_too(monkeypatch):
    def run(*_, **__):
        raise FileNotFoundError("no sysctl")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert machine.processor() == "arm64"
