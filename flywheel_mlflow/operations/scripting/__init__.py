"""Everything people do from Python: the acts and the readings of a flywheel as methods, with results to look at."""
