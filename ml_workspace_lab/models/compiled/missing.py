"""Missing values in trees of scikit-learn, which its converter sends to the right at every node."""

from typing import Any

_NODES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
_TREE, _NODE, _LEFT = "nodes_treeids", "nodes_nodeids", "nodes_missing_value_tracks_true"


def send_as_learned(model: Any, graph: Any) -> None:
    """Let the one ensemble of a graph send missing values where the model's own trees do; nothing
    where it has no trees, or they are not all in one node."""
    from onnx import helper

    trees = _trees(model)
    found = [node for node in graph.graph.node if node.op_type in _NODES]
    if len(found) != 1 or not trees:
        return
    [node] = found
    attributes = {one.name: one for one in node.attribute}
    places = list(zip(attributes[_TREE].ints, attributes[_NODE].ints, strict=True))
    if max(tree for tree, _ in places) >= len(trees):
        return
    left = [int(trees[tree].missing_go_to_left[place]) for tree, place in places]
    if _LEFT in attributes:
        node.attribute.remove(attributes[_LEFT])
    node.attribute.append(helper.make_attribute(_LEFT, left))


def _trees(model: Any) -> list[Any]:
    """The trees of the model, or of the last step of a pipeline."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    members = getattr(last, "estimators_", [last])
    if not isinstance(members, list):
        return []
    trees = [getattr(member, "tree_", None) for member in members]
    return trees if all(hasattr(tree, "missing_go_to_left") for tree in trees) else []
