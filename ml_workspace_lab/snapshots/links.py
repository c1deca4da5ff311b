"""Links of a tree: kept where they stay inside it, whatever else the tree holds."""


def leads_out(path: str, target: str) -> bool:
    """Whether the link at `path` might lead out of the tree that it is in.

    `..` may stand at its beginning only, and only as often as the link has folders above it. Its
    own folders are no links, so what follows begins inside; any link on the way stays inside by the
    same rule. A `..` after a name could start from wherever that name leads.
    """
    parts = target.split("/")
    ups = 0
    while ups < len(parts) and parts[ups] == "..":
        ups += 1
    return (
        not target
        or "\0" in target
        or target.startswith("/")
        or ".." in parts[ups:]
        or ups > path.count("/")
    )
