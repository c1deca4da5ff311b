"""Addresses of webhooks, in the words that clients look for."""

import pytest

from tests.mlflow.conformance.target import Target, invalid


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("   ", "Webhook URL cannot be empty or just whitespace"),
        ("ftp://example.com", "Invalid webhook URL scheme"),
        ("https://[invalid", "Invalid webhook URL"),
    ],
)
def test_an_address_that_is_none_is_refused(target: Target, url: str, words: str) -> None:
    events = [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]
    invalid(target.post("webhooks", name="hook", url=url, events=events), words)
