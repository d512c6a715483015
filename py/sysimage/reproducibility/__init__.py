"""A build's action graph, executed in environments that have nothing in common, and compared."""
