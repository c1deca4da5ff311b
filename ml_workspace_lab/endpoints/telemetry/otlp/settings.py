"""Where OTLP goes, and how: by OpenTelemetry's own variables, and an endpoint's setting."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ml_workspace_lab.endpoints.telemetry.model import Export

PREFIX = "OTEL_EXPORTER_OTLP_"
MOST = 86_400_000
"""A day in milliseconds, and more spans than anybody keeps."""


@dataclass(frozen=True)
class Target:
    """Where one signal goes: its `url`, header fields, how many seconds an answer may take, and
    whether bodies are compressed. `certificate` is a file of authorities to trust, None: the
    system's."""

    url: str
    headers: dict[str, str]
    timeout: float
    is_compressed: bool
    certificate: str | None


@dataclass(frozen=True)
class Settings:
    """Metrics go every `interval` seconds, spans every `delay`; at most `most_spans` wait. Requests
    without a trace get one with the chance `trace_share`; of those with one, those that their
    client records are traced where `follows_parent`, else all alike."""

    metrics: Target | None
    traces: Target | None
    interval: float
    delay: float
    most_spans: int
    trace_share: float
    follows_parent: bool
    service: str
    attributes: dict[str, str]

    @classmethod
    def read(
        cls, variables: Mapping[str, str], rule: Export | None, service: str
    ) -> "Settings | None":
        """None where nothing is to be exported. Raises ValueError that names the variable."""
        if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return None
        metrics = _target(variables, rule, "METRICS", "v1/metrics")
        traces = _target(variables, rule, "TRACES", "v1/traces")
        if metrics is None and traces is None:
            return None
        follows, share = _sampler(variables)
        attributes = _pairs(variables, "OTEL_RESOURCE_ATTRIBUTES")
        named = attributes.pop("service.name", "")
        return cls(
            metrics,
            traces,
            rule.interval_seconds
            if rule is not None
            else _number(variables, "OTEL_METRIC_EXPORT_INTERVAL", 60_000) / 1000,
            _number(variables, "OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000
            if rule is None
            else min(5.0, rule.interval_seconds),
            _number(variables, "OTEL_BSP_MAX_QUEUE_SIZE", 2048),
            rule.trace_share if rule is not None else share,
            follows,
            variables.get("OTEL_SERVICE_NAME") or named or service,
            attributes,
        )


def _target(
    variables: Mapping[str, str], rule: Export | None, signal: str, path: str
) -> Target | None:
    """Where a signal goes; None where it goes nowhere."""
    if variables.get(f"OTEL_{signal}_EXPORTER", "otlp").strip().lower() != "otlp":
        return None
    url = rule.url if rule is not None else variables.get(f"{PREFIX}ENDPOINT", "").strip()
    if url:
        url = f"{url.rstrip('/')}/{path}"
    if rule is None:
        url = variables.get(f"{PREFIX}{signal}_ENDPOINT", "").strip() or url
    if not url:
        return None
    name = f"{PREFIX}ENDPOINT"
    if not _is_address(url):
        raise ValueError(f"{name}: {url!r} is not an http:// or https:// address.")
    protocol = _of(variables, signal, "PROTOCOL")
    if protocol not in ("", "http/json", "http/protobuf"):
        raise ValueError(
            f"{PREFIX}PROTOCOL: {protocol!r} is not spoken, but http/json; give the collector's"
            " address for HTTP, whose port is 4318 by default."
        )
    certificate = _of(variables, signal, "CERTIFICATE") or None
    if certificate is not None and not os.path.isfile(certificate):  # noqa: PTH113 - a user's text
        raise ValueError(f"{PREFIX}CERTIFICATE: there is no file {certificate!r}.")
    return Target(
        url,
        {
            **_pairs(variables, f"{PREFIX}HEADERS"),
            **_pairs(variables, f"{PREFIX}{signal}_HEADERS"),
        },
        _number(
            variables,
            f"{PREFIX}{signal}_TIMEOUT",
            _number(variables, f"{PREFIX}TIMEOUT", 10_000),
        )
        / 1000,
        _of(variables, signal, "COMPRESSION") == "gzip",
        certificate,
    )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port
        return False


def _of(variables: Mapping[str, str], signal: str, name: str) -> str:
    own = variables.get(f"{PREFIX}{signal}_{name}", "").strip()
    return own or variables.get(f"{PREFIX}{name}", "").strip()


def _sampler(variables: Mapping[str, str]) -> tuple[bool, float]:
    """Whether a client's decision counts, and the chance of requests without one."""
    name = variables.get("OTEL_TRACES_SAMPLER", "").strip() or "parentbased_always_on"
    follows, kind = name.startswith("parentbased_"), name.removeprefix("parentbased_")
    if kind in ("always_on", "always_off"):
        return follows, float(kind == "always_on")
    if kind != "traceidratio":
        raise ValueError(f"OTEL_TRACES_SAMPLER: {name!r} is not known.")
    text = variables.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1"
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"OTEL_TRACES_SAMPLER_ARG: {text!r} is not between 0 and 1.")
    return follows, share


def _number(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 0 < int(text) <= MOST):
        raise ValueError(f"{name}: {text!r} is not a whole number from 1 to {MOST}.")
    return int(text)


def _pairs(variables: Mapping[str, str], name: str) -> dict[str, str]:
    """`key=value,key=value`, each of them spelled as in an address."""
    found = {}
    for part in variables.get(name, "").split(","):
        if not part.strip():
            continue
        key, sign, value = part.partition("=")
        key, value = unquote(key.strip()), unquote(value.strip())
        if not sign or not key or any(ord(char) < 32 for char in key + value):
            # What it says may be a secret.
            raise ValueError(f"{name}: a part of it is not NAME=VALUE.")
        found[key] = value
    return found
