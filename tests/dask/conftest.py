"""Dask as it is found by every test."""

import pytest


@pytest.fixture(autouse=True)
def no_default_scheduler():
    """A client that was the default of a test before may have left its scheduler behind."""
    dask = pytest.importorskip("dask")
    with dask.config.set(scheduler=None):
        yield
