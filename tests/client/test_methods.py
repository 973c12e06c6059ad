from __future__ import annotations

import subprocess
import sys
from typing import get_type_hints

import pytest

from kmsd.client import key_requests, requests
from kmsd.client.key_methods import KeyService
from kmsd.client.methods import Method, Operations
from protocol.operations import OPERATIONS

HOMES = {Operations: requests, KeyService: key_requests}
METHODS = {name: value for home in HOMES for name, value in vars(home).items() if isinstance(value, Method)}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_gives_the_response_to_what_it_asks(name: str) -> None:
    [home] = [module for module in HOMES.values() if name in vars(module)]
    request = get_type_hints(getattr(home, name))["return"]
    [spec] = [spec for spec in OPERATIONS.values() if spec.request is request]
    assert METHODS[name].response is spec.response
    assert METHODS[name].__doc__


@pytest.mark.parametrize("wanted", ["SyncClient", "KmipError"])
def test_without_trio_nobody_waits_for_it(wanted: str) -> None:
    code = f"import sys; from kmsd.client import {wanted}; print('trio' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
