"""Cards: a run, a model or an endpoint in a cell's output.

A bundle has three forms: our own type, which the JupyterLab extension draws live; HTML, which
stays in the saved file and shows everywhere else; and text.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ml_workspace_lab.api.types import number_from_wire
from ml_workspace_lab.endpoints.model import EndpointInfo, EndpointKeys
from ml_workspace_lab.experiments.model import Progress, RunInfo, RunState
from ml_workspace_lab.models.model import ModelVersion

RUN_TYPE = "application/vnd.ml-workspace-lab.run+json"
SHOWN_METRICS = 6

_SIGNS = {
    RunState.COMPLETED: ("✔", "#009E73"),
    RunState.FAILED: ("✖", "#D55E00"),
    RunState.CANCELED: ("■", "#888888"),
    RunState.RUNNING: ("▶", "#0072B2"),
}
_WAITING = ("…", "#E69F00")


def run_bundle(workspace: str, run: RunInfo) -> dict[str, Any]:
    return {
        RUN_TYPE: {"run_id": run.run_id, "workspace": workspace},
        "text/html": _run_html(run),
        "text/plain": run_text(run),
    }


def run_text(run: RunInfo) -> str:
    """One line, and the reason and the newest metrics on lines of their own."""
    head = f"{run.experiment} #{run.number} {run.display_name!r}: {run.state} ({run.run_id})"
    lines = [head, run.reason, "  ".join(f"{k}={v}" for k, v in _metrics(run).items())]
    return "\n".join(line for line in lines if line)


def runs_bundle(runs: Sequence[RunInfo]) -> dict[str, Any]:
    """A table of runs, with a column for each metric that any of them has."""
    names = sorted({name for run in runs for name in run.metrics})[:SHOWN_METRICS]
    heads = ["#", "experiment", "name", "state", *names, "run id"]
    rows = [
        [
            str(run.number),
            run.experiment,
            run.display_name,
            str(run.state),
            *(_metrics(run, limit=None).get(name, "") for name in names),
            run.run_id,
        ]
        for run in runs
    ]
    return {"text/html": _table(heads, rows), "text/plain": _columns([heads, *rows])}


def model_bundle(model: ModelVersion) -> dict[str, Any]:
    facts = {
        "framework": model.framework,
        "from run": model.run_id or "",
        "files": ", ".join(file.path for file in model.files),
        "bytes": f"{model.size:,}",
        "tags": ", ".join(f"{k}={v}" for k, v in model.tags.items()),
    }
    title = f"Model {model.name}:{model.version}"
    if model.executes_code:
        facts["note"] = "loading it executes code (a pickle): only a scoring process does"
    return _facts_bundle(title, facts)


def endpoint_bundle(endpoint: EndpointInfo, keys: EndpointKeys | None) -> dict[str, Any]:
    facts = {
        "state": f"{endpoint.state} {endpoint.reason}".strip(),
        "model": f"{endpoint.model}:{endpoint.model_version}",
        "served by": str(endpoint.served_by or ""),
        "workers": str(endpoint.workers) if endpoint.workers > 1 else "",
        "deployments": ", ".join(
            f"{one.name} {one.traffic} % ({one.model}:{one.model_version}, {one.state})"
            for one in endpoint.deployments
            if len(endpoint.deployments) > 1
        ),
        "scoring": endpoint.scoring_uri,
        "API": endpoint.openapi_uri,
    }
    if keys is not None:
        facts["key"] = "was made just now; read it with .keys (it is shown in no saved file)"
    return _facts_bundle(f"Endpoint {endpoint.name}", facts)


def _facts_bundle(title: str, facts: Mapping[str, str]) -> dict[str, Any]:
    shown = {name: text for name, text in facts.items() if text}
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in shown.items()
    )
    lines = [title, *(f"  {name}: {text}" for name, text in shown.items())]
    return {
        "text/html": f"<div><strong>{escape(title)}</strong><table>{rows}</table></div>",
        "text/plain": "\n".join(lines),
    }


def _run_html(run: RunInfo) -> str:
    sign, color = _SIGNS.get(run.state, _WAITING)
    parts = [
        f"<div style='border-left:4px solid {color};padding:4px 12px'>",
        f"<div><strong>{escape(run.experiment)} #{run.number}</strong> {escape(run.display_name)}",
        f" <span style='color:{color}'>{sign} {run.state}</span> {escape(_duration(run))}</div>",
    ]
    if run.reason:
        parts.append(f"<div>{escape(run.reason)}</div>")
    if run.progress is not None and not run.state.is_terminal:
        parts.append(_progress_html(run.progress))
    if metrics := _metrics(run):
        shown = " · ".join(f"{escape(k)} <strong>{escape(v)}</strong>" for k, v in metrics.items())
        parts.append(f"<div>{shown}</div>")
    parts.append(f"<div><small>run {run.run_id}</small></div></div>")
    return "".join(parts)


def _progress_html(progress: Progress) -> str:
    bar, words = progress.bar, []
    part = min(bar.done / bar.total, 1.0) if bar is not None and bar.total > 0 else 0.0
    if progress.total:
        words.append(f"{progress.done} of {progress.total} cells")
    if bar is not None:
        words.append(f"{bar.label} {bar.done:g} of {bar.total:g}".strip())
    value = (progress.done + part) / max(progress.total, 1)
    return f"<progress value='{value:.3f}' max='1'></progress> {escape(' · '.join(words))}"


def _metrics(run: RunInfo, limit: int | None = SHOWN_METRICS) -> dict[str, str]:
    newest = list(run.metrics.items())[:limit]
    return {name: f"{number_from_wire(one.last):.6g}" for name, one in newest}


def _duration(run: RunInfo) -> str:
    if run.started is None or run.ended is None:
        return ""
    return f"{(run.ended - run.started) / 1000:.1f} s"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{escape(t)}</td>" for t in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in padded)
