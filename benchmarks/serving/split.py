"""What splitting the traffic costs the requests that stay: `make bench-split`.

    python benchmarks/serving/split.py [--model logistic] [--connections 16] [--seconds S]
                                       [--repeat N]

One scoring process answers by the model's graph, the quickest way there is, and one request at a
time: with how many others a request is put to the model is another question. It is told in turns
that it has all the traffic, and that it has 99 % of it, the rest of which is for a deployment that
isn't there and is answered here as well. What is compared is the processor's time for an answer,
the least of all turns: whatever else goes on only adds to it. Exits with 1 where it costs over 5 %.
"""

import argparse
import http.client
import sys
import tempfile
from pathlib import Path

import msgspec
from load import measure
from servers import Started, started

from ml_workspace_lab.endpoints.folder import EndpointFolder, Rules

MOST = 0.05
SHARES = {
    "all the traffic": {"default": 100},
    "99 % of it": {"default": 99, "another": 1},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="logistic")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SHARES}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as path,
        started("ours-onnx-one-by-one", options.model, Path(path)) as server,
    ):
        folder = EndpointFolder(Path(path) / "endpoint")
        keys = msgspec.json.decode(folder.keys.read_bytes(), type=Rules)
        for _ in range(options.repeat):
            for name, shares in SHARES.items():
                folder.write_keys(msgspec.structs.replace(keys, traffic=shares))
                found[name].append(turn(server, options.connections, options.seconds))
    costs = {}
    for name, turns in found.items():
        rate = max(rate for rate, _ in turns)
        costs[name] = min(cost for _, cost in turns)
        print(f"{name:16} {rate:9,.0f}/s {costs[name]:7.1f} us of the processor for each")
    alone, split = costs.values()
    print(f"The split costs {split / alone - 1:+.1%} (at most {MOST:.0%}).")
    return 1 if split / alone - 1 > MOST else 0


def turn(server: Started, connections: int, seconds: float) -> tuple[float, float]:
    """Answers a second, and the microseconds of the processor for each."""
    answered, before = answers(server), server.process.cpu_times()
    load = measure(server.port, server.request, connections, seconds)
    after, answered = server.process.cpu_times(), answers(server) - answered
    used = after.user + after.system - before.user - before.system
    return load.rate, 1e6 * used / answered


def answers(server: Started) -> int:
    """How many requests it has scored so far."""
    key = server.request.partition(b"Authorization: ")[2].partition(b"\r\n")[0].decode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/metrics", headers={"Authorization": key})
    told = connection.getresponse().read().decode()
    connection.close()
    [line] = [one for one in told.splitlines() if "scored_seconds_count{" in one]
    return int(line.rpartition(" ")[2])


if __name__ == "__main__":
    sys.exit(main())
