"""Drawings that pages of every kind show: plain SVG made of plain values."""

from flywheel_mlflow.drawings.changes import change_svg, told

__all__ = ["change_svg", "told"]
