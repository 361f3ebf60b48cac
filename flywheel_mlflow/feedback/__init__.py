"""Feedback: observations read as columns, each one known once, routed to the project that can act on it."""
