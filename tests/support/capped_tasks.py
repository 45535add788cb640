"""Tasks for a process with a cap, which finds them by name."""

import os
import time


def work(task, start):
    """Do what the task says: return it, raise, end the process, take for ever, or sleep."""
    start()
    if task == "raise":
        raise ValueError("no rows")
    if task == "exit":
        os._exit(3)
    while task == "spin":
        pass
    if task == "nap":
        time.sleep(0.5)
    return {"task": task, "pid": os.getpid(), "variable": os.environ.get("FASTNN_CAPPED_TEST")}
