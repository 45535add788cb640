"""Training logs: callbacks that write the metrics of each epoch to a file.

A fit resumed from a checkpoint continues its log: lines written after the last checkpoint are
removed first, so that every epoch appears once.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from fastnn.callbacks.base import Callback
from fastnn.network import Network
from fastnn.system.files import check_folder_of, sync_folder
from fastnn.system.locks import only_writer
from fastnn.system.packages import imported
from fastnn.validation import check_count, check_path


class MetricsLog(Callback):
    """Write one line per epoch to a CSV or JSON lines file.

    The columns are ``epoch``, counted from 1, and the names in the first epoch's record. Each line
    is readable when the next epoch begins. The file is flushed to the disk, safe from a power
    failure, before each checkpoint and when the fit ends. A new fit overwrites the file; a resumed
    one continues it. Only one fit at a time may write it.

    Parameters
    ----------
    path : path-like
        Ends in ``.csv`` or ``.jsonl``. In JSON lines, NaN and infinity are written as null.

    Raises
    ------
    ValueError
        If the path has another extension.
    OSError
        From ``fit``, if the file cannot be written, or another fit is writing it.
    """

    def __init__(self, path: Any) -> None:
        check_path("path", path)
        self.path = Path(path)
        if self.path.suffix.lower() not in (".csv", ".jsonl"):
            raise ValueError(f"path must end in .csv or .jsonl, got {str(path)!r}")
        self._n_bytes = 0
        self._file: IO[bytes] | None = None
        self._held: ExitStack | None = None
        self._columns: list[str] = []

    def on_fit_start(self, network: Network) -> None:
        """Lock the file and start at its beginning."""
        check_folder_of(self.path)
        held = ExitStack()
        held.enter_context(only_writer(self.path, "the log"))
        self._held, self._n_bytes = held, 0

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Write the epoch's line."""
        if self._file is None:
            self._file = self._opened()
        line = {"epoch": epoch} | {name: float(value) for name, value in record.items()}
        text = self._as_json(line) if self.path.suffix.lower() == ".jsonl" else self._as_csv(line)
        self._file.write(text.encode())
        self._file.flush()
        self._n_bytes = self._file.tell()
        return None

    def on_fit_end(self, network: Network) -> None:
        """Close the file."""
        try:
            self._sync()
        finally:
            file, self._file = self._file, None
            held, self._held = self._held, None
            if file is not None:
                file.close()
            if held is not None:
                held.close()

    def state_dict(self) -> dict[str, Any]:
        """Flush the file to the disk and return its length."""
        self._sync()
        return {"n_bytes": self._n_bytes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue at the stored length of the file."""
        self._n_bytes = check_count("n_bytes", state["n_bytes"], 0)

    def _sync(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())

    def _as_json(self, line: Mapping[str, float]) -> str:
        finite = {name: v if math.isfinite(v) else None for name, v in line.items()}
        return json.dumps(finite) + "\n"

    def _as_csv(self, line: Mapping[str, float]) -> str:
        header = ""
        if not self._columns:
            self._columns = list(line)
            header = ",".join(self._columns) + "\n"
        return header + ",".join(repr(line[c]) if c in line else "" for c in self._columns) + "\n"

    def _opened(self) -> IO[bytes]:
        is_there = self.path.exists()
        file = self.path.open("r+b" if is_there else "w+b")
        if not is_there:
            sync_folder(self.path.absolute().parent)
        file.truncate(self._whole_lines(file))
        file.seek(0)
        header = file.readline().decode(errors="replace").strip()
        self._columns = header.split(",") if header else []
        file.seek(0, 2)
        return file

    def _whole_lines(self, file: IO[bytes]) -> int:
        """Return how many bytes of the file to keep: whole lines, up to the stored length.

        The file may be shorter if it was truncated or removed since.
        """
        size = min(self._n_bytes, file.seek(0, 2))
        file.seek(0)
        return file.read(size).rfind(b"\n") + 1


class TensorBoard(Callback):
    """Write the metrics of each epoch for TensorBoard.

    Parameters
    ----------
    folder : path-like
        For this run, such as ``"runs/1"``; created if missing. Requires the extra ``tensorboard``.

    Raises
    ------
    ImportError
        If the package tensorboardX is not installed.
    """

    def __init__(self, folder: Any) -> None:
        check_path("folder", folder)
        self.folder = Path(folder)
        self._open = imported("tensorboardX", "tensorboard").SummaryWriter
        self._writer: Any = None

    def on_epoch_end(
        self, network: Network, epoch: int, record: Mapping[str, float]
    ) -> bool | None:
        """Write the epoch's values: ``loss`` and ``val_loss`` in one chart, and so on."""
        if self._writer is None:
            self._writer = self._open(
                str(self.folder),
                purge_step=epoch,  # TensorBoard drops what an earlier run wrote from here on
                filename_suffix=f".epoch{epoch}",  # otherwise equal within the same second
            )
        for name, value in record.items():
            which, measure = (
                ("validation", name[4:]) if name.startswith("val_") else ("train", name)
            )
            self._writer.add_scalar(f"{measure}/{which}", value, epoch)
        self._writer.flush()
        return None

    def on_fit_end(self, network: Network) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
