"""An ONNX graph that grows node by node."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np


class Writer:
    """The nodes and constants of a graph that grows.

    Parameters
    ----------
    onnx : module
    dtype : str
        Of numbers among the operands.
    taken : collection of str, default ()
        Names of the graph's inputs and outputs, which nothing else may have.
    """

    def __init__(self, onnx: Any, dtype: str, taken: Collection[str] = ()) -> None:
        self.onnx = onnx
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.domains: set[str] = {""}
        self.prefix = ""
        self._taken = frozenset(taken)

    def op(self, op_type: str, *operands: str | float, domain: str = "", **attributes: Any) -> str:
        """Append a node and return the name of what it computes."""
        name = self._free(f"{self.prefix}{op_type.lower()}_{len(self.nodes)}")
        inputs = [self.number(o) if isinstance(o, float) else o for o in operands]
        node = self.onnx.helper.make_node(
            op_type, inputs, [name], name=name, domain=domain or None, **attributes
        )
        self.nodes.append(node)
        self.domains.add(domain)
        return name

    def number(self, value: float) -> str:
        """Return the name of a number of the network's dtype."""
        return self.constant(f"number_{value!r}", np.array(value, self.dtype))

    def constant(self, name: str, values: Any) -> str:
        """Return the name of an array in the file."""
        name = self._free(name)
        if name not in self.constants:
            self.constants[name] = self.onnx.numpy_helper.from_array(values, name)
        return name

    def output(self, name: str, computed: str) -> None:
        """Give what was computed the name of an output."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [computed], [name], name=name))

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        return name
