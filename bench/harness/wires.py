"""Machines of their own on this one: network namespaces, joined by wires with a delay and a rate.

Each namespace has one interface, a TUN device, whose packets a thread of this process carries: a
packet of n bytes leaves when those before it have, takes 8 n / rate to do so and the delay to
arrive, and enters the other namespace at the same rate. Kernels that lack the queue netem do this
too. Linux, as root.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

TUNSETIFF = 0x400454CA  # linux/if_tun.h
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
MTU = 1500
NETWORK = "10.77.0."
INTERFACE = "wire0"
PREFIX = "fastnn-"


class Wires:
    """Namespaces with these names, as a context.

    Parameters
    ----------
    names : sequence of str
    delay : float
        Seconds from one namespace to another.
    rate : float
        Bits per second into and out of each.

    Raises
    ------
    OSError
        If the kernel has no TUN devices, or this process may not make them.
    subprocess.CalledProcessError
        If it has no namespaces.
    """

    def __init__(self, names: Sequence[str], delay: float, rate: float) -> None:
        self.names, self._delay, self._rate = list(names), delay, rate
        self._devices: list[int] = []
        self._made: list[str] = []
        self._stop = threading.Event()
        self._carrier = threading.Thread(target=self._carry, daemon=True)

    def __enter__(self) -> Wires:
        try:
            for name in self.names:
                self._make(name)
        except BaseException:
            self._remove()
            raise
        self._carrier.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._carrier.join()
        self._remove()

    def address(self, name: str) -> str:
        """Return the address of a namespace."""
        return f"{NETWORK}{self.names.index(name) + 1}"

    def _make(self, name: str) -> None:
        space = PREFIX + name
        _ip("netns", "add", space)
        self._made.append(space)
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        self._devices.append(device)
        made_as = f"fnn{len(self._devices)}"
        request = struct.pack("16sH22x", made_as.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(device, TUNSETIFF, request)
        _ip("link", "set", made_as, "netns", space, "name", INTERFACE)
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", space, "address", "add", f"{self.address(name)}/24", "dev", INTERFACE)
        _ip("-n", space, "link", "set", INTERFACE, "mtu", str(MTU), "txqueuelen", "10000", "up")

    def _remove(self) -> None:
        for device in self._devices:
            os.close(device)
        for space in self._made:
            _ip("netns", "del", space)

    def _carry(self) -> None:
        """Carry packets until told to stop."""
        of_address = {socket.inet_aton(self.address(name)): i for i, name in enumerate(self.names)}
        leaves, enters = [0.0] * len(self.names), [0.0] * len(self.names)
        under_way: list[tuple[float, int, int, bytes]] = []
        number = 0  # keeps the order of packets that arrive at one time
        while not self._stop.is_set():
            wait = 0.1
            if under_way:
                wait = max(0.0, min(wait, under_way[0][0] - time.monotonic()))
            for device in select.select(self._devices, [], [], wait)[0]:
                source = self._devices.index(device)
                while (packet := _read(device)) is not None:
                    target = of_address.get(packet[16:20])  # of an IPv4 header
                    if packet[0] >> 4 != 4 or target is None:
                        continue
                    takes = 8 * len(packet) / self._rate
                    leaves[source] = max(time.monotonic(), leaves[source]) + takes
                    arrives = leaves[source] + self._delay
                    enters[target] = max(arrives, enters[target] + takes)
                    number += 1
                    heapq.heappush(under_way, (enters[target], number, target, packet))
            now = time.monotonic()
            while under_way and under_way[0][0] <= now:
                _, _, target, packet = heapq.heappop(under_way)
                with suppress(OSError):  # the link is cut
                    os.write(self._devices[target], packet)


def inside(name: str) -> list[str]:
    """Return the words that run a command in a namespace."""
    return ["ip", "netns", "exec", PREFIX + name]


def cut(name: str, *, up: bool = False) -> None:
    """Take the link of a namespace down, or up again."""
    _ip("-n", PREFIX + name, "link", "set", INTERFACE, "up" if up else "down")


def carried(name: str) -> tuple[int, int]:
    """Return how many bytes a namespace has sent and received, with all headers."""
    folder = f"/sys/class/net/{INTERFACE}/statistics"
    command = [*inside(name), "cat", f"{folder}/tx_bytes", f"{folder}/rx_bytes"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    sent, received = map(int, done.stdout.split())
    return sent, received


def _read(device: int) -> bytes | None:
    try:
        return os.read(device, MTU + 100)
    except BlockingIOError:
        return None
    except OSError:  # the link is cut
        return None


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
