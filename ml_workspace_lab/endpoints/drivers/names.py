"""What deployments are called where others have theirs, too."""

import hashlib


def name_of(workspace: str, endpoint: str, deployment: str) -> str:
    """A name that no other deployment has, of any workspace, in 54 characters."""
    told = "\0".join((workspace, endpoint, deployment)).encode()
    return f"ws-{endpoint[:20]}-{deployment[:20]}-{hashlib.sha256(told).hexdigest()[:9]}"
