"""The only place that speaks Evidently: a drift report goes in, one self-contained HTML page comes out.

Example::

    page = render_html(report)
"""

from flywheel_mlflow.monitoring.page import render_html

__all__ = ["render_html"]
