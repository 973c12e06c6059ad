from __future__ import annotations

import subprocess
import sys
from typing import get_type_hints

import pytest

from kmsd.client import requests
from kmsd.client.methods import Method, Operations
from protocol.operations import OPERATIONS

METHODS = {name: value for name, value in vars(Operations).items() if isinstance(value, Method)}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_gives_the_response_to_what_it_asks(name: str) -> None:
    request = get_type_hints(getattr(requests, name))["return"]
    [spec] = [spec for spec in OPERATIONS.values() if spec.request is request]
    assert METHODS[name].response is spec.response
    assert METHODS[name].__doc__


@pytest.mark.parametrize("wanted", ["SyncClient", "KmipError"])
def test_without_trio_nobody_waits_for_it(wanted: str) -> None:
    code = f"import sys; from kmsd.client import {wanted}; print('trio' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
