"""Makes the one HTML page of a drift report: the verdict first, then Evidently's tables, and no way out of it."""

from __future__ import annotations

import base64
import html
import json
import math
import uuid
import warnings
from collections.abc import Iterable
from typing import Any

from flywheel_mlflow.base.errors import MonitoringError
from flywheel_mlflow.drawings import change_svg, told
from flywheel_mlflow.drift.findings import Finding, Verdict
from flywheel_mlflow.drift.report import FIRST, DriftReport
from flywheel_mlflow.drift.wording import VERDICT_TONES, Tone
from flywheel_mlflow.monitoring.importing import load_metrics
from flywheel_mlflow.monitoring.tables import tables_of

#: Digits a number keeps in the page.
_DIGITS = 5

#: The page may run its own scripts and nothing else; it can load nothing from anywhere.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "font-src data:; img-src data: blob:"
)

#: Shades of the tones' colours that white text can be read on.
_BADGES = {Tone.GOOD: "#1a7f37", Tone.BAD: "#b3261e", Tone.UNKNOWN: "#9a6700"}

_STYLE = """
.flywheel { font-family: system-ui, sans-serif; color: #1f2328; padding: 12px 16px; max-width: 1100px }
.flywheel h1 { font-size: 20px; margin: 0 0 4px } .flywheel p { margin: 4px 0 } .flywheel ol { padding-left: 22px }
.flywheel li { margin: 6px 0; overflow-wrap: anywhere } .flywheel code { background: #eff1f3; padding: 1px 4px }
body > div { overflow-x: auto }
.flywheel img { max-width: 100%; height: auto; margin-top: 6px }
.flywheel .verdict { color: #fff; padding: 2px 10px; border-radius: 4px }
"""

#: Evidently's tables (0.7.23) as a phone and a laptop can show them. Its grids are as wide as their widest word and cut
#: what stands out; its cells share the width alike, whatever is in them; the first cell of a row opens nothing here.
_TABLES = """
.MuiGrid-root { min-width: 0 !important }
.MuiCard-root .MuiPaper-root { overflow-x: auto }
.MuiTableBody-root .MuiTableCell-root, .MuiTableHead-root .MuiTableCell-root { width: auto !important }
.MuiTableBody-root .MuiTableCell-root { overflow-wrap: break-word }
.MuiTableBody-root .MuiTableCell-root:nth-child(2) { min-width: 17em; overflow-wrap: anywhere }
.MuiTableCell-paddingNone { display: none !important }
@media (max-width: 1000px) {
  .MuiTableCell-root { padding: 8px 6px !important }
  .MuiTableBody-root .MuiTableCell-root:nth-child(2) { min-width: 11em }
}
@media (max-width: 600px) {
  .MuiCardContent-root, .MuiToolbar-root, .MuiBox-root:has(> .MuiBox-root > .MuiStack-root) {
    padding: 4px !important; margin: 0 !important; flex-wrap: wrap
  }
  .MuiTableCell-root { padding: 4px 2px !important; font-size: 10px !important; line-height: 1.3 !important }
  .MuiTableBody-root .MuiTableCell-root:nth-child(2) { min-width: 6em }
  .MuiTableBody-root .MuiTableCell-root:nth-child(n+5) { overflow-wrap: anywhere; min-width: 4em }
  .MuiTableCell-root:nth-child(8) { display: none }
  .MuiGrid-grid-xs-grow:has(.MuiTypography-alignCenter) { flex-basis: 30% !important }
  .MuiTableSortLabel-root ~ span, .MuiTableSortLabel-root svg { display: none }
  .MuiCardContent-root .MuiTypography-root { font-size: 14px !important; line-height: 1.3 !important }
}
"""


def render_html(report: DriftReport) -> str:
    """The report as one self-contained HTML page of about four megabytes, nearly all of it Evidently's scripts.

    Raises:
        MonitoringError: Evidently cannot be imported, or cannot draw the report.
    """
    metrics = load_metrics()
    try:
        with warnings.catch_warnings():  # pandas 3 warns of what Evidently does
            warnings.simplefilter("ignore")
            tables = tables_of(report)
            widgets = metrics.snapshot_widgets(tables) if tables else []
            return _page(report, widgets)
    except Exception as error:
        raise _failed(error) from error
    except BaseException as error:
        # Evidently has an error that is no Exception (ReferenceMetricNotFound, 0.7.23); Ctrl-C is to pass.
        if type(error).__module__.startswith("evidently"):
            raise _failed(error) from error
        raise


def _failed(error: BaseException) -> MonitoringError:
    return MonitoringError(
        f"Evidently could not draw the report: {type(error).__name__}: {str(error)[:300]}",
        hint="drift.json and drift.md hold all of it; report this as a defect",
    )


def _page(report: DriftReport, widgets: list[Any]) -> str:
    from evidently.legacy.model.dashboard import DashboardInfo
    from evidently.legacy.utils.dashboard import TemplateParams, file_html_template

    name = f"flywheel_{uuid.uuid4().hex}"
    dashboard = DashboardInfo(name="Drift", widgets=widgets)
    parameters = TemplateParams(dashboard_id=name, dashboard_info=dashboard, additional_graphs={}, embed_data=False)
    text: str = file_html_template(parameters)
    content = dashboard.dict()
    for widget in content["widgets"]:
        widget.pop("additionalGraphs", None)
    data = f"<script>var {name} = {script_json(content)}; var additional_graphs_{name} = {{}};</script>"
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_POLICY)}">'
        f"<title>{html.escape(_title(report))}</title><style>{_STYLE}{_TABLES}</style>"
    )
    # Only the first: the bundled scripts hold the same words. What is put in never passes through a format.
    text = _insert(text, "<!-- no embedded data -->", data, after=False)
    text = _insert(text, "<head>", head, after=True)
    return _insert(text, "<body>", first_screen(report), after=True)


def _insert(text: str, mark: str, addition: str, *, after: bool) -> str:
    before, found, rest = text.partition(mark)
    if not found:
        raise ValueError(f"Evidently's page has no {mark}")
    return before + (found if after else "") + addition + rest


def script_json(value: Any) -> str:
    """``value`` as JSON that can stand inside a script element: no ``<`` in it can end the script.

    Evidently writes texts as they are, so that one ``</script>`` in a label becomes markup that runs (0.7.23).
    """
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _plain(value: Any) -> Any:
    """Plain values with rounded numbers; NaN and infinities, which JSON lacks, are null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        rounded = float(f"{value:.{_DIGITS}g}")  # the largest numbers round to infinity
        return rounded if math.isfinite(rounded) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def first_screen(report: DriftReport) -> str:
    """The verdict and the worst findings as plain HTML, which needs no script to be read."""
    against = f"iteration {report.iteration} against iteration {report.reference.iteration}"
    lines = [
        '<section class="flywheel">',
        f"<h1>{_badge(report.verdict)} {html.escape(report.flywheel)}: {against}</h1>",
        f"<p>{html.escape(report.headline)}</p>",
        *_findings(report),
        "</section>",
    ]
    return "\n".join(lines)


def _badge(verdict: Verdict) -> str:
    return f'<span class="verdict" style="background: {_BADGES[VERDICT_TONES[verdict.value]]}">{verdict.value}</span>'


def _findings(report: DriftReport) -> Iterable[str]:
    shown = report.findings[:FIRST]
    if not shown:
        yield "<p>Nothing got worse than it may.</p>"
        return
    yield "<ol>"
    for finding in shown:
        command = f"<br><code>{_text(finding.next)}</code>" if finding.next else ""
        picture = _picture(report, finding)
        yield f"<li><strong>{_text(finding.subject)}</strong> {_text(finding.text)}{command}{picture}</li>"
    yield "</ol>"
    if len(report.findings) > len(shown):
        yield f"<p>and {len(report.findings) - len(shown)} more below</p>"


def _picture(report: DriftReport, finding: Finding) -> str:
    """What changed as bars before and now, with the places of a few rows; empty where there is nothing to draw."""
    items = report.of_finding(finding)
    item = next((item for item in items if item.picture is not None and item.picture.bars), None)
    if item is None or item.picture is None:
        return ""
    data = base64.b64encode(change_svg(item.picture, item.subject).encode()).decode()
    drawn = f'<br><img alt="{_text(told(item.picture))}" src="data:image/svg+xml;base64,{data}">'
    examples = next((other.examples for other in (item, *items) if other.examples), ())
    return drawn + (f"<br>Rows to look at: {_text('; '.join(examples))}" if examples else "")


def _text(value: str) -> str:
    visible = "".join(char if char.isprintable() else " " for char in value)
    return html.escape(visible[:600])


def _title(report: DriftReport) -> str:
    return f"{report.verdict.value}: {report.flywheel} iteration {report.iteration}"
