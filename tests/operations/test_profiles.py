"""The profiles that Query names: proven by all their mandatory cases, and those of this tenant and this server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kmsd.operations.profiles import PROFILES, Profile
from protocol.enums import CryptographicAlgorithm, ProfileName, QueryFunction, since
from protocol.operations.query import QueryRequest
from protocol.versions import SUPPORTED, V1_2, V1_3, V1_4, V2_0, V2_1
from tests.conformance.cases import all_cases
from tests.conformance.exceptions import EXCEPTIONS
from tests.operations.conftest import Caller, Server
from tests.shared import SHARED

QUERY = QueryRequest(query_functions=(QueryFunction.QUERY_PROFILES,))


def serve(server: Server, *algorithms: CryptographicAlgorithm, https: bool) -> None:
    """Let the tenant allow these, and the server have a listener for HTTPS or not."""
    acme = server.services.tenants["acme"]
    policy = replace(acme.policy, algorithms=dict.fromkeys(algorithms))
    server.services.tenants["acme"] = replace(acme, policy=policy)  # type: ignore[index]
    object.__setattr__(server.services, "information", replace(server.services.information, https=https))


async def named(app: Caller, version: Any) -> list[ProfileName]:
    return [found.profile_name for found in (await app.at(version).call(QUERY)).profile_information]


@pytest.mark.parametrize("version", [version for version in SUPPORTED if version >= V1_3])
async def test_each_version_has_the_names_that_it_knows(server: Server, app: Caller, version: Any) -> None:
    serve(server, *CryptographicAlgorithm, https=True)
    names = {name for profile in PROFILES for name in profile.names.values()}
    old = {name for name in names if since(name) < V2_0}
    expected = names - old if version >= V2_0 else {name for name in old if since(name) <= version}
    found = await named(app, version)
    assert len(found) == len(set(found))
    assert set(found) == expected


async def test_what_the_tenant_or_the_server_lacks_is_not_named(server: Server, app: Caller) -> None:
    serve(server, CryptographicAlgorithm.AES, https=False)
    found = await named(app, V2_1)
    assert ProfileName.SYMMETRIC_KEY_LIFECYCLE_SERVER in found
    for name in (
        ProfileName.ASYMMETRIC_KEY_LIFECYCLE_SERVER,
        ProfileName.SYMMETRIC_KEY_FOUNDRY_SERVER,
        ProfileName.HTTPS_SERVER,
        ProfileName.JSON_SERVER,
    ):
        assert name not in found
    assert ProfileName.HTTPS_SERVER_KMIP_V1_4 not in await named(app, V1_4)


@pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.cases)
def test_every_mandatory_case_passes(profile: Profile) -> None:
    for version in profile.names:
        cases = [
            case.name
            for case in all_cases()
            if str(case).startswith(f"{version}/mandatory/{profile.cases}-") and case.version == str(version)
        ]
        assert cases, version
        assert not set(cases) & set(EXCEPTIONS)


@pytest.mark.skipif(SHARED is None, reason="the shared reference material is not here")
def test_what_is_not_named_has_an_exception() -> None:
    """Suite B is a matter of the operator's certificate; AES XTS has no name in 1.x."""
    named = {(str(version), profile.cases) for profile in PROFILES for version in profile.names}
    excepted = {"PKCS11-M"} | {"SUITEB_128-M", "SUITEB_192-M"}
    excused = {(str(V1_2), "CS-AC-M"), (str(V1_2), "CS-BC-M"), (str(V1_4), "AX-M")}
    for case in all_cases():
        version, kind, name = str(case).split("/")
        if kind == "mandatory" and not any(name.startswith(f"{cases}-") for about, cases in named if about == version):
            prefix = name.split("-M-")[0] + "-M"
            assert prefix in excepted or (version, prefix) in excused, name
