"""A model in its users' hands: found, named, changed, compared, and told of on a card."""

import json
import shutil
from pathlib import Path

import pytest

from ml_workspace_lab import Model, Workspace
from ml_workspace_lab.cli import main
from ml_workspace_lab.errors import Conflict, InvalidInput, NotFound
from ml_workspace_lab.models import described
from ml_workspace_lab.models.model import CreateModel, UpdateModel

HOSTILE = "<img src=x onerror=alert(1)> [a](javascript:b) \x1b[2J"
MLMODEL = """
flavors: {python_function: {loader_module: x}}
signature:
  inputs: '[{"type": "double", "name": "alcohol", "required": true},
    {"type": "long", "name": "age", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
"""


def weights(folder: Path, text: str, **more: str) -> Path:
    made = folder / "made"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    for name, content in {"w.bin": text, **more}.items():
        (made / name).write_text(content)
    return made


def trained(ws: Workspace, folder: Path, accuracy: float) -> Model:
    """A model of a run with a parameter, a metric and a dataset."""
    with ws.experiment("training").start_logging(display_name="first") as run:
        run.log_params({"depth": 3 if accuracy < 0.9 else 5})
        run.log_metrics({"accuracy": accuracy})
        run.log_input("s3://lake/wine.csv", digest="d1", context="training")
        run.upload_folder("model", weights(folder, str(accuracy), MLmodel=MLMODEL))
    return run.register_model("wine", "model", description="# Wine\n\nof *grapes*")


def ids(models: list[Model]) -> list[str]:
    return [model.id for model in models]


def test_an_alias_leads_to_its_version_and_moves_on(ws: Workspace, tmp_path: Path) -> None:
    first = Model.register(ws, "m", weights(tmp_path, "1"))
    second = Model.register(ws, "m", weights(tmp_path, "2"))
    first.set_alias("champion")
    assert Model(ws, "m@champion").id == Model.parse(ws, "m@champion").id == "m:1"
    second.set_alias("champion")
    assert (first.aliases, second.aliases) == ([], ["champion"])
    assert Model(ws, "m@champion").id == "m:2"
    with pytest.raises(NotFound, match="m:1 has no alias"):
        first.remove_alias("champion")
    second.remove_alias("champion")
    with pytest.raises(NotFound, match="no alias 'champion'"):
        Model(ws, "m@champion")


def test_a_model_whose_name_has_an_at_is_found_by_its_name(ws: Workspace, tmp_path: Path) -> None:
    Model.register(ws, "a", weights(tmp_path, "1")).set_alias("b")
    Model.register(ws, "a@b", weights(tmp_path, "1"))
    assert Model(ws, "a@b").name == "a@b"
    with pytest.raises(NotFound, match="no model 'c'"):
        Model(ws, "c@b")


def test_what_is_said_of_a_version_changes_and_its_properties_do_not(
    either: Workspace, tmp_path: Path
) -> None:
    model = Model.register(either, "said", weights(tmp_path, "1"))
    model.set_tags({"team": "red", "old": "1"})
    model.remove_tags(["old"])
    model.add_properties({"seed": "7"})
    model.description = "# It\n\nis *new*"
    with pytest.raises(Conflict, match="seed"):
        model.add_properties({"seed": "8"})
    model.set_stage("Production")
    again = Model(either, "said")
    assert (again.tags, again.properties) == ({"team": "red"}, {"seed": "7"})
    assert (again.description, again.stage) == ("# It\n\nis *new*", "Production")
    with pytest.raises(InvalidInput):
        model.set_stage("Nowhere")  # type: ignore[arg-type]


def test_versions_are_listed_and_searched(ws: Workspace, tmp_path: Path) -> None:
    Model.register(ws, "it's", weights(tmp_path, "1"), tags={"k": "a'b"}, properties={"p": "1"})
    for tags in ({"k": "1"}, {"k": "2"}, {"k": "2"}):
        Model.register(ws, "m", weights(tmp_path, "1"), tags=tags, model_framework="Onnx")
    assert ids(Model.list(ws)) == ["m:3", "m:2", "m:1", "it's:1"]
    assert ids(Model.list(ws, latest=True)) == ["m:3", "it's:1"]
    assert ids(Model.list(ws, "it's", tags={"k": "a'b"}, properties={"p": "1"})) == ["it's:1"]
    assert ids(Model.list(ws, framework="Onnx", tags={"k": "2"})) == ["m:3", "m:2"]
    assert Model.list(ws, properties={"p": "2"}) == []
    assert ids(Model.search(ws, "tags.k = '2' and version < 3")) == ["m:2"]
    assert ids(Model.search(ws, order_by="version", max_results=3)) == ["it's:1", "m:1", "m:2"]
    with pytest.raises(InvalidInput):
        Model.search(ws, "nothing = 1")
    Model(ws, "m", 3).archive()
    assert ids(Model.list(ws, "m", latest=True)) == ["m:2"]
    assert ids(Model.list(ws, stage="Archived")) == ["m:3"]
    Model(ws, "m", 3).restore()
    assert ids(Model.list(ws, "m", latest=True)) == ["m:3"]


def test_a_card_tells_where_a_version_comes_from(ws: Workspace, tmp_path: Path) -> None:
    model = trained(ws, tmp_path, 0.75)
    model.set_alias("champion")
    card = model.card()
    text = str(card)
    for told in ("of *grapes*", "aliases: champion", "depth: 3", "accuracy: 0.75", "s3://lake",
                 "training d1", "alcohol: double", "age: long (optional)", "int64[-1]",
                 f"run: {model.info().run_id}", "#1 first"):  # fmt: skip
        assert told in text, text
    assert "<td" in card._repr_html_()


def test_what_is_written_on_a_card_stays_text(ws: Workspace, tmp_path: Path) -> None:
    name = "<b>x"
    folder = weights(tmp_path, "1", **{"<i>": "1", "MLmodel": "signature: {inputs: '[{'}"})
    model = Model.register(ws, name, folder, description=HOSTILE, tags={"<u>": HOSTILE})
    ws.connection.registry.change(name, UpdateModel(description=HOSTILE))
    other = Model.register(ws, name, weights(tmp_path, "2"), model_framework="<s>")
    pages = [model.card()._repr_html_(), model.diff(other)._repr_html_()]
    for page in pages:
        for tag in ("<img", "<b>", "<i>", "<u>", "<s>"):
            assert tag not in page
    assert "&lt;img" in pages[0]
    assert "the signature in MLmodel is not JSON" in pages[0]
    assert "\x1b" not in str(model.card()) + str(model.diff(other))


def test_two_versions_differ_in_parameters_metrics_signature_and_files(
    ws: Workspace, tmp_path: Path
) -> None:
    first, second = trained(ws, tmp_path, 0.75), trained(ws, tmp_path, 0.95)
    other = Model.register(ws, "other", weights(tmp_path, "0.95", MLmodel="signature: {}", new=""))
    found = first.diff(2)
    assert [(c.name, c.before, c.after) for c in found.params] == [("depth", "3", "5")]
    assert [(c.name, c.before, c.after) for c in found.metrics] == [("accuracy", "0.75", "0.95")]
    assert [c.name for c in found.files] == ["w.bin"]
    assert found.signature == []
    across = second.diff("other:1")
    assert next((c.name, c.after) for c in across.signature) == ("input alcohol", None)
    assert [c.name for c in across.files] == ["MLmodel", "new"]
    assert "depth: 5 -> (none)" in str(across)
    assert not second.diff(second)
    assert str(other.diff(other)) == "Nothing differs.\n"


@pytest.mark.parametrize(
    "content",
    [b"signature: [1]", b"signature: {inputs: 7}", b"a: &a [x]\nb: &b [*a, *a]\n<<: [*b, *b]",
     b"!!python/object/apply:os.abort []", b"a: [1]\n? [a]\n: b\nsignature: {}"[:6]],
)  # fmt: skip
def test_an_mlmodel_that_tells_nothing_has_no_signature(content: bytes) -> None:
    assert described.signature(content) in ({}, {"inputs": []})


@pytest.mark.parametrize(
    "content", [b"[" * 50_000, b"\xff\xfe\x00", b"? [a]\n: b", b"signature: {inputs: '[{'}"]
)
def test_an_mlmodel_that_is_none_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match="MLmodel"):
        described.signature(content)


def test_commands_show_a_card_and_a_diff_and_archive(
    ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ws.connection.registry.create(CreateModel("wine"))
    trained(ws, tmp_path, 0.75).set_alias("champion")
    trained(ws, tmp_path, 0.95)

    def cli(*words: str) -> str:
        assert main.run(["-w", str(tmp_path / "store"), "model", *words]) == 0
        return capsys.readouterr().out

    assert "accuracy: 0.75" in cli("card", "wine@champion")
    assert "accuracy: 0.75 -> 0.95" in cli("diff", "wine@champion", "wine")
    assert json.loads(cli("diff", "wine:1", "wine:2", "-o", "json"))["params"][0]["after"] == "5"
    cli("archive", "wine:2")
    found = json.loads(cli("search", "--filter", "stage = 'Archived'", "-o", "json"))
    assert [one["version"] for one in found["items"]] == [2]
    assert json.loads(cli("restore", "wine:2", "-o", "json"))["stage"] == "None"
