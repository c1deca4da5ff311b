"""The job that has Ray Serve make and remove applications. It is sent to the cluster as it is, with
the module `replica`, and finds Ray and what comes with `ray[serve]`, but nothing of this package.

python3 program.py apply                 have the application that `asked.json` describes
python3 program.py prune PREFIX KEPT…    leave no application whose name begins so, but those
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

FORGOTTEN = 75
"""The exit code that says: the image is not there any more, and has to be sent again."""


def keep(asked: dict[str, Any]) -> None:
    """Copy the image to where it stays, as far as it is not there."""
    from ray.experimental import internal_kv

    replica = import_module("replica")
    for number, uri in enumerate(asked.pop("uris")):
        key = f"{asked['name']}/{number}"
        if internal_kv._internal_kv_exists(key, namespace=replica.STORE):
            continue
        content = replica.stored(uri, None)
        if content is None:
            print("The image is not in the cluster any more.")  # noqa: T201
            sys.exit(FORGOTTEN)
        internal_kv._internal_kv_put(key, content, namespace=replica.STORE)


def apply(asked: dict[str, Any]) -> None:
    """Have an application so; returns when Serve knows of it, long before it answers."""
    from ray import cloudpickle, serve

    keep(asked)
    replica = import_module("replica")
    cloudpickle.register_pickle_by_value(replica)  # Nodes have no such module.
    http_options, version = asked.pop("http_options"), asked.pop("version")
    options, scale, ready = asked.pop("options"), asked.pop("scale"), asked.pop("ready")
    if not is_serving():
        serve.start(proxy_location="EveryNode", http_options=http_options)
    if "autoscaling_config" in scale and asked["name"] not in serve.status().applications:
        bounds = scale["autoscaling_config"]
        first = min(max(ready, bounds["min_replicas"]), bounds["max_replicas"])
        bounds["initial_replicas"] = first
    scoring = serve.deployment(name="scoring", **options, **scale)(replica.Scoring)
    # Without it each call has new replicas, where only their number was to change.
    scoring._version = version
    target = serve.RunTarget(scoring.bind(asked), name=asked["name"], route_prefix=asked["route"])
    serve.run_many([target], wait_for_applications_running=False)


def prune(prefix: str, *kept: str) -> None:
    from ray.experimental import internal_kv

    store = import_module("replica").STORE
    if is_serving():
        from ray import serve

        there = [name for name in serve.status().applications if name.startswith(prefix)]
        for name in there:
            if name not in kept:
                serve.delete(name)
    for key in internal_kv._internal_kv_list(prefix, namespace=store):
        if key.decode().rpartition("/")[0] not in kept:
            internal_kv._internal_kv_del(key, namespace=store)


def is_serving() -> bool:
    import ray

    try:
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return False
    return True


def main(words: list[str]) -> None:
    # What the job was given must not be what Serve, which outlives it, is begun with.
    os.environ.pop("RAY_JOB_CONFIG_JSON_ENV_VAR", None)
    try:
        import ray

        if words[0] == "apply":
            from ray import serve  # noqa: F401
    except ImportError as error:
        sys.exit(f"{sys.executable} on the head of the cluster has no Ray Serve: {error}.")
    ray.init(address="auto", namespace="serve", log_to_driver=False, logging_level="warning")
    if words[0] == "apply":
        apply(json.loads(Path("asked.json").read_bytes()))
    else:
        prune(*words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
