"""Real servers for the integration tests, each started and ended by a context manager."""
