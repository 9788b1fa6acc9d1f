"""Commands on connectors: everything but `standalone` speaks only Connect's REST interface."""
