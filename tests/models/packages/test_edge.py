"""The manifest by which Azure IoT Edge runs an image."""

import json

from ml_workspace_lab.models.packages.edge import Module, manifest, module_name


def test_a_module_is_run_with_no_more_than_it_needs() -> None:
    found = manifest(Module("scale", "host/scale@sha256:0", 8080, "/keys", {"LEVEL": "1"}))
    agent = found["modulesContent"]["$edgeAgent"]["properties.desired"]
    assert set(agent["systemModules"]) == {"edgeAgent", "edgeHub"}
    module = agent["modules"]["scale"]
    assert module["env"]["LEVEL"] == {"value": "1"}
    assert module["env"]["ML_WORKSPACE_SCORING_KEYS_FILE"] == {"value": "/run/scoring-keys"}
    settings = module["settings"]
    assert settings.pop("image") == "host/scale@sha256:0"
    assert all(len(part) <= 512 for part in settings.values())
    options = json.loads("".join(settings[name] for name in sorted(settings)))
    assert options["HostConfig"] == {
        "Binds": ["/keys:/run/scoring-keys:ro"],
        "CapDrop": ["ALL"],
        "PortBindings": {"5001/tcp": [{"HostPort": "8080"}]},
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": ""},
    }


def test_long_options_go_on_in_further_values() -> None:
    found = manifest(Module("scale", "image", keys_file="/k" * 300))
    agent = found["modulesContent"]["$edgeAgent"]["properties.desired"]
    settings = agent["modules"]["scale"]["settings"]
    assert list(settings) == ["image", "createOptions", "createOptions01"]
    text = settings["createOptions"] + settings["createOptions01"]
    assert json.loads(text)["HostConfig"]["Binds"][0].startswith("/k/k")


def test_a_models_name_becomes_one_that_a_module_may_have() -> None:
    assert module_name("a model, of words") == "a-model--of-words"
    assert module_name("…") == "model"
