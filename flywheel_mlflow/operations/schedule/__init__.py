"""Turns the flywheel by itself: a whole iteration in one call, when it is due."""
