"""What one part of the configuration says about another: names to be declared, clients that must differ.

Works on the raw tree, not on the validated settings, so that these mistakes are reported together with all
others. Whatever has the wrong type is passed over: the validation reports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kmsd.config.reading import reader, sound_options
from kmsd.config.sizes import SAFE_ALGORITHMS, AllowedSizes, Sizes
from kmsd.config.source import Place, Problem
from kmsd.config.tenants import Algorithm, CertificateMatch, DeclaredKey, bits, shape_problems
from kmsd.config.values import closest
from kmsd.domain.algorithms import PAIRS
from protocol.enums import CryptographicAlgorithm


def check(raw: Mapping[str, object], software_root: bool) -> Iterator[Problem]:
    """Every broken reference, as (path, what is wrong). `software_root`: whether a root key is configured."""
    hsms = _mapping(raw.get("hsms"))
    if "software" in hsms:
        yield ("hsms", "software"), "the name 'software' stands for the software root"
    yield from _modules(hsms)
    owners: dict[tuple[str, str], str] = {}
    for name, value in _mapping(raw.get("tenants")).items():
        tenant = _mapping(value)
        path: Place = ("tenants", name)
        yield from _protection(tenant, path, hsms, software_root)
        yield from _roles(tenant, path)
        yield from _certificates(tenant, path, name, owners)
        yield from _keys(tenant, path)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _modules(hsms: Mapping[str, object]) -> Iterator[Problem]:
    """A module is loaded once per process and sees one environment: HSM sections must not contradict."""
    environment: dict[str, tuple[str, object]] = {}
    options: dict[object, tuple[str, object]] = {}
    tokens: dict[tuple[object, object], str] = {}
    for name, value in hsms.items():
        hsm = _mapping(value)
        for variable, setting in _mapping(hsm.get("environment")).items():
            first, known = environment.setdefault(variable, (name, setting))
            if known != setting:
                yield ("hsms", name, "environment", variable), f"HSM {first!r} sets it to something else"
        module, token = str(hsm.get("module")), str(hsm.get("token"))
        first, known = options.setdefault(module, (name, hsm.get("module_options")))
        if known != hsm.get("module_options"):
            yield ("hsms", name, "module_options"), f"HSM {first!r} loads the same module with other options"
        if (other := tokens.setdefault((module, token), name)) != name:
            yield ("hsms", name, "token"), f"HSM {other!r} is the same token"


def _protection(
    tenant: Mapping[str, object], path: Place, hsms: Mapping[str, object], software_root: bool
) -> Iterator[Problem]:
    root, hsm = tenant.get("root", "software"), tenant.get("hsm")
    if root == "software" and not software_root:
        yield (*path, "root"), "the software root needs a root key: set software_root"
    for option, value in (("root", root if root != "software" else None), ("hsm", hsm)):
        if isinstance(value, str) and value not in hsms:
            yield (*path, option), f"no HSM {value!r} is declared{closest(value, hsms)}"
    if root != "software" or hsm is not None:
        return
    message = "HSM keys need an HSM: set hsm"
    if tenant.get("default_protection") == "HSM":
        yield (*path, "default_protection"), message
    for name, key in _mapping(tenant.get("keys")).items():
        if _mapping(key).get("protection") == "HSM":
            yield (*path, "keys", name, "protection"), message


def _roles(tenant: Mapping[str, object], path: Place) -> Iterator[Problem]:
    roles = _mapping(tenant.get("roles"))
    clients = _mapping(tenant.get("clients"))
    names = set(clients)
    for name, client in clients.items():
        place = (*path, "clients", name)
        yield from _granted(client, place, roles)
        for user, settings in _mapping(_mapping(client).get("users")).items():
            yield from _granted(settings, (*place, "users", user), roles)
            if user in names:
                yield (*place, "users", user), f"another client or user of the tenant is called {user!r}"
            names.add(user)


def _granted(client: object, place: Place, roles: Mapping[str, object]) -> Iterator[Problem]:
    granted = _mapping(client).get("roles")
    for index, role in enumerate(granted if isinstance(granted, tuple) else ()):
        if isinstance(role, str) and role not in roles:
            yield (*place, "roles", index), f"the tenant has no role {role!r}{closest(role, roles)}"


def _certificates(
    tenant: Mapping[str, object], path: Place, tenant_name: str, owners: dict[tuple[str, str], str]
) -> Iterator[Problem]:
    """One certificate is one client, over all tenants."""
    for name, client in _mapping(tenant.get("clients")).items():
        match = _valid(CertificateMatch, _mapping(client).get("certificate"))
        if match is None:
            continue
        here = f"{tenant_name}.{name}"
        if (other := owners.setdefault(match.key, here)) != here:
            yield (*path, "clients", name, "certificate"), f"client {other} already has this certificate"


def _keys(tenant: Mapping[str, object], path: Place) -> Iterator[Problem]:
    """Declared keys obey the tenant's own allow list."""
    declared = _mapping(tenant.get("keys"))
    allowed = _allowed(tenant)
    for name, value in declared.items():
        key = sound_options(DeclaredKey, value)
        if "algorithm" not in key:
            continue
        algorithm = key["algorithm"]
        if algorithm in PAIRS and f"{name}-public" in declared:
            yield (*path, "keys", f"{name}-public"), f"the public key of {name!r} has this name"
        if allowed is None:
            continue
        if algorithm not in allowed:
            yield (*path, "keys", name, "algorithm"), "the tenant's algorithms do not list it"
        elif {"length", "curve"} <= key.keys():
            length, curve, sizes = key["length"], key["curve"], allowed[algorithm]
            has_shape = not any(shape_problems(algorithm, length is not None, curve is not None))
            if sizes is not None and has_shape and not sizes.allows(bits(algorithm, length, curve), curve):
                option = "curve" if curve is not None else "length"
                yield (*path, "keys", name, option), "the tenant's algorithms do not allow it"


def _allowed(tenant: Mapping[str, object]) -> Mapping[CryptographicAlgorithm, AllowedSizes | None] | None:
    """The tenant's algorithms, with None for sizes that are wrong; None for a list that may mean any algorithm."""
    if "algorithms" not in tenant:
        return SAFE_ALGORITHMS
    listed = tenant["algorithms"]
    allowed: dict[CryptographicAlgorithm, AllowedSizes | None] = {}
    for name, sizes in listed.items() if isinstance(listed, dict) else ():
        algorithm = _valid(Algorithm, name)
        if algorithm is None:
            return None
        allowed[algorithm] = _valid(Sizes, sizes)
    return allowed if isinstance(listed, dict) else None


def _valid(annotation: Any, value: object) -> Any:
    """The value as the annotation has it; None where it is wrong, which the validation itself reports."""
    try:
        return reader(annotation)(value, None)
    except ValueError:
        return None
