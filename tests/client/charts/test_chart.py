"""A chart in a notebook is a picture that runs nothing, also where its names are hostile."""

from html.parser import HTMLParser

from ml_workspace_lab import Workspace
from ml_workspace_lab.client.charts.chart import Chart
from tests.notebook.kernels import kernel_in

HOSTILE = "x' onerror='alert(1)'><script>alert(2)</script>"
CODE = """
from ml_workspace_lab import Run
run = Run.get_context()
run.log_confusion_matrix("cm", y_true=["a", "b"], y_pred=["a", "a"])
"""


class Images(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_hostile_name_is_the_text_of_an_image() -> None:
    [(tag, attributes)] = Images(Chart(HOSTILE, "residuals", b"{}", "<svg/>")._repr_html_()).found
    assert tag == "img"
    assert attributes == {
        "alt": f"{HOSTILE} (residuals)",
        "src": "data:image/svg+xml;base64,PHN2Zy8+",
    }


def test_a_notebook_shows_the_picture(ws: Workspace) -> None:
    folder = ws.connection.storage.root.parent  # type: ignore[attr-defined]
    ws.write_config(folder)
    with kernel_in(folder) as kernel:
        [bundle] = kernel(CODE).bundles
        assert Images(bundle["text/html"]).found[0][1]["alt"] == "cm (confusion_matrix)"
        assert bundle["text/plain"] == "Chart('charts/cm.confusion_matrix.json')"
        assert "InvalidInput" in kernel("run.log_residuals('r', {})").text
        kernel("run.complete()")
    assert len(ws.runs()[0].get_file_names()) == 2
