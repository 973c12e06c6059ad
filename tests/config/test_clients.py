"""Clients that listen, and clients whose certificate several users share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kmsd.config.settings import Settings
from protocol.enums import Operation
from protocol.versions import V1_4, V2_1

from .conftest import MINIMAL

SettingsOf = Callable[[str], Settings]
MistakesOf = Callable[[str], list[str]]

START = (
    MINIMAL
    + """\
tenants:
  acme:
    roles: {all: [{operations: "*"}], mine: [{operations: "*", own: true}]}
    clients:
"""
)
LINES = START.count("\n")


def test_a_listener_says_where_and_in_which_version(settings_of: SettingsOf) -> None:
    text = (
        START
        + """\
      app:
        certificate: {common_name: app}
        roles: [all]
        listener: {host: app.example, ca: [ca.pem]}
      two:
        certificate: {common_name: two}
        roles: [all]
        listener:
          host: two.example
          port: 5697
          ca: [ca.pem]
          certificate: server.pem
          private_key: server.key
          version: "2.1"
          operations: [Notify]
"""
    )
    clients = settings_of(text).tenants["acme"].clients
    app, two = clients["app"].listener, clients["two"].listener
    assert app is not None
    assert two is not None
    assert (app.port, app.version, app.operations) == (5696, V1_4, (Operation.NOTIFY, Operation.PUT))
    assert (two.port, two.version, two.operations) == (5697, V2_1, (Operation.NOTIFY,))
    assert two.private_key is not None


def test_what_is_wrong_with_a_listener(mistakes_of: MistakesOf) -> None:
    text = (
        START
        + """\
      app:
        certificate: {common_name: app}
        roles: [all]
        listener: {host: a, ca: [ca.pem], version: 3.0, operations: [Get]}
      two:
        certificate: {common_name: two}
        roles: [all]
        listener: {host: a, ca: [ca.pem], certificate: server.pem}
"""
    )
    listener = "tenants.acme.clients.app.listener"
    assert mistakes_of(text) == [
        f"{LINES + 4}: {listener}.version: expected one of 1.0, 1.1, 1.2, 1.3, 1.4, 2.0, 2.1",
        f"{LINES + 4}: tenants.acme.clients.app.listener.operations[0]: 'Get' is no KMIP Operation",
        f"{LINES + 8}: tenants.acme.clients.two.listener: certificate and private_key go together",
    ]


@pytest.mark.parametrize("version", ["2", "{major: 2}", "[2.1]", "null"])
def test_a_version_is_one_of_the_known_ones(mistakes_of: MistakesOf, version: str) -> None:
    app = f"{{certificate: {{common_name: app}}, listener: {{host: a, ca: [ca.pem], version: {version}}}}}"
    assert mistakes_of(f"{START}      app: {app}\n") == [
        f"{LINES + 1}: tenants.acme.clients.app.listener.version: expected one of 1.0, 1.1, 1.2, 1.3, 1.4, 2.0, 2.1"
    ]


def test_users_have_known_roles_and_names_of_their_own(mistakes_of: MistakesOf) -> None:
    text = (
        START
        + """\
      app:
        certificate: {common_name: app}
        users:
          fred: {device: {media_identifier: m}, roles: [mien]}
          two: {device: {media_identifier: n}, roles: [mine]}
      two:
        certificate: {common_name: two}
        roles: [all]
        users:
          fred: {device: {media_identifier: o}, roles: [mine]}
"""
    )
    assert mistakes_of(text) == [
        f"{LINES + 4}: tenants.acme.clients.app.users.fred.roles[0]: the tenant has no role 'mien', did you mean mine?",
        f"{LINES + 5}: tenants.acme.clients.app.users.two: another client or user of the tenant is called 'two'",
        f"{LINES + 10}: tenants.acme.clients.two.users.fred: another client or user of the tenant is called 'fred'",
    ]
