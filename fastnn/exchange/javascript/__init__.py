"""A trained network as an ES module, for browsers, Node, Deno and workers."""
