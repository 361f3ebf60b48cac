"""Experiments: started, fed with outcomes, judged, decided."""
