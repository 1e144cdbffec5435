"""The environment of tests: no setting and no proxy of whoever runs them."""

import os

import pytest

PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


def cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take settings and proxies out of the environment until the patch is undone."""
    for name in list(os.environ):
        if name.startswith("CANDOR_") or name.lower() in PROXIES:
            monkeypatch.delenv(name)
