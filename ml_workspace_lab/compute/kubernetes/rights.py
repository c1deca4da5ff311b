"""What an account must be allowed to do, for the check and for the Role that grants it."""

from typing import Any

from msgspec import Struct

from ml_workspace_lab.compute.kubernetes.manifest import MANAGED

NAME = "ml-workspace-lab"


class Right(Struct, frozen=True):
    """`group` is the API's, empty for its core; a resource may have a `/subresource`."""

    group: str
    resource: str
    verbs: tuple[str, ...]


NEEDED = (
    Right("batch", "jobs", ("create", "get", "list", "delete")),
    Right("", "pods", ("list", "delete")),
    Right("", "pods/log", ("get",)),
    Right("", "secrets", ("create", "update", "delete")),
)
"""In the namespace of the Jobs."""

SERVING = (
    Right("apps", "deployments", ("create", "get", "patch", "delete")),
    Right("autoscaling", "horizontalpodautoscalers", ("create", "patch", "delete")),
    Right("", "services", ("create", "get", "patch", "delete")),
    Right("", "secrets", ("create", "patch", "delete")),
    Right("", "pods", ("list",)),
    Right("", "pods/log", ("get",)),
)
"""In the same namespace, to serve endpoints."""

HELPFUL = (Right("", "nodes", ("list",)),)
"""In the whole cluster: to show what it has. Nothing else needs it."""


def manifests(namespace: str, account: str = NAME) -> list[dict[str, Any]]:
    """An account of the namespace with just these rights, as objects of Kubernetes."""
    here = {"name": account, "namespace": namespace, "labels": MANAGED}
    subjects = [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
    everywhere = {"name": f"{account}-nodes", "labels": MANAGED}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here},
        _object("Role", here, {"rules": _rules(NEEDED)}),
        _object("RoleBinding", here, {"roleRef": _role("Role", account), "subjects": subjects}),
        _object("ClusterRole", everywhere, {"rules": _rules(HELPFUL)}),
        _object(
            "ClusterRoleBinding",
            everywhere,
            {"roleRef": _role("ClusterRole", everywhere["name"]), "subjects": subjects},
        ),
    ]


def serving_manifests(namespace: str, account: str = NAME) -> list[dict[str, Any]]:
    """What lets the same account serve endpoints in the namespace."""
    name = f"{account}-endpoints"
    here = {"name": name, "namespace": namespace, "labels": MANAGED}
    subjects = [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
    return [
        _object("Role", here, {"rules": _rules(SERVING)}),
        _object("RoleBinding", here, {"roleRef": _role("Role", name), "subjects": subjects}),
    ]


def _object(kind: str, metadata: Any, more: dict[str, Any]) -> dict[str, Any]:
    version = "rbac.authorization.k8s.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def _role(kind: str, name: Any) -> dict[str, Any]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def _rules(rights: tuple[Right, ...]) -> list[dict[str, Any]]:
    return [
        {"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)}
        for right in rights
    ]
