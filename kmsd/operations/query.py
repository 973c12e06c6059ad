"""Query: KMIP 1.4 §4.25, 2.1 §6.1.40. What this tenant can do in this version, and nothing that it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kmsd.domain.making import storage_mask
from kmsd.domain.objects import ProtectionLevel
from kmsd.operations import profiles, tenant_rules
from kmsd.operations.context import Context
from kmsd.operations.register import REGISTRABLE
from protocol.enums import (
    DestroyAction,
    ObjectType,
    Operation,
    QueryFunction,
    RNGAlgorithm,
    RNGMode,
    ShreddingAlgorithm,
    UnwrapMode,
    since,
)
from protocol.enums import ItemType as ItemTypeName
from protocol.names import Tag
from protocol.operations import OPERATIONS
from protocol.operations.query import QueryRequest, QueryResponse
from protocol.structures import (
    CapabilityInformation,
    ExtensionInformation,
    ProfileInformation,
    ProtectionStorageMasks,
    RNGParameters,
)
from protocol.ttlv import Item, ItemType
from protocol.vendor import VENDOR_TAGS
from protocol.versions import V2_0, V2_1


async def handle(ctx: Context, request: QueryRequest) -> QueryResponse:
    response = QueryResponse()
    for function in dict.fromkeys(request.query_functions):
        answer = _ANSWERS.get(function)
        # A function that has nothing to tell is answered with nothing (KMIP 1.4 §4.25: "MAY be returned").
        if answer is not None:
            answer(ctx, response)
    return response


def _operations(ctx: Context, response: QueryResponse) -> None:
    response.operations = tuple(_offered(ctx))


EXTENSIONS = 0x80000000
"""Enumeration values from here on are a vendor's (KMIP 1.4 §9.1.3.2)."""

_AUTHORITY = frozenset({Operation.CERTIFY, Operation.RE_CERTIFY})
"""What only a tenant with a certificate authority has."""


def _offered(ctx: Context) -> Iterator[Operation]:
    from kmsd.operations import HANDLERS  # noqa: PLC0415  (the table holds this module)

    for operation in HANDLERS:
        if operation >= EXTENSIONS:
            # Clients that know only the specification's operations would not read the answer: extensions tell.
            continue
        if operation in _AUTHORITY and ctx.tenant.policy.certificate_authority is None:
            continue
        if operation == Operation.INTEROP and not ctx.tenant.policy.interop:
            continue
        spec = OPERATIONS[operation]
        if spec.since <= ctx.version and (spec.until is None or ctx.version <= spec.until):
            yield operation


def _objects(ctx: Context, response: QueryResponse) -> None:
    gone = {ObjectType.TEMPLATE} if ctx.version >= V2_0 else set()
    response.object_types = tuple(t for t in ObjectType if t in REGISTRABLE - gone and since(t) <= ctx.version)


def _server(ctx: Context, response: QueryResponse) -> None:
    information = ctx.services.information
    response.vendor_identification = information.vendor
    response.server_information = Item(
        Tag.SERVER_INFORMATION,
        ItemType.STRUCTURE,
        (Item(Tag.SERVER_VERSION, ItemType.TEXT_STRING, information.version),) if ctx.version >= V2_1 else (),
    )


def _rngs(ctx: Context, response: QueryResponse) -> None:
    response.rng_parameters = (RNGParameters(rng_algorithm=RNGAlgorithm.UNSPECIFIED),)


def _capabilities(ctx: Context, response: QueryResponse) -> None:
    response.capability_information = (
        CapabilityInformation(
            streaming_capability=True,
            asynchronous_capability=True,
            attestation_capability=False,
            batch_undo_capability=True,
            batch_continue_capability=True,
            # Wrapped keys are unwrapped at Register; Destroy deletes the material and keeps the attributes.
            unwrap_mode=UnwrapMode.PROCESSED,
            destroy_action=DestroyAction.KEY_MATERIAL_DELETED,
            shredding_algorithm=ShreddingAlgorithm.UNSUPPORTED,
            rng_mode=RNGMode.UNSPECIFIED,
        ),
    )


def _storage(ctx: Context, response: QueryResponse) -> None:
    masks = tuple(storage_mask(level) for level in ProtectionLevel if level in ctx.tenant.providers)
    response.protection_storage_mask = masks
    response.protection_storage_masks = ProtectionStorageMasks(masks=masks)


def _profiles(ctx: Context, response: QueryResponse) -> None:
    https = ctx.services.information.https
    names = profiles.offered(ctx.version, ctx.tenant.policy.algorithms, https=https)
    response.profile_information = tuple(ProfileInformation(profile_name=name) for name in names)


def _defaults(ctx: Context, response: QueryResponse) -> None:
    defaults = tenant_rules.defaults(ctx)
    # Without a default there is nothing to inform of, and PyKMIP reads no Defaults Information without one.
    response.defaults_information = defaults if defaults.object_defaults else None


def _extensions(ctx: Context, response: QueryResponse) -> None:
    """The names alone (KMIP 1.4 §4.25)."""
    response.extension_information = tuple(
        ExtensionInformation(extension_name=extension.extension_name) for extension in _mapped(ctx)
    )


def _extension_map(ctx: Context, response: QueryResponse) -> None:
    response.extension_information = tuple(_mapped(ctx))


def _mapped(ctx: Context) -> Iterator[ExtensionInformation]:
    """kmsd's own tags, and from 2.0 on its operations, which are values of an enumeration."""
    from kmsd.operations import HANDLERS  # noqa: PLC0415  (the table holds this module)

    for name, (tag, item_type) in VENDOR_TAGS.items():
        yield ExtensionInformation(
            extension_name=name, extension_tag=tag, extension_type=int(item_type), extension_item_type=item_type
        )
    if ctx.version < V2_0:
        return
    for operation in HANDLERS:
        if not operation.known:
            yield ExtensionInformation(
                extension_name=operation.name,
                extension_tag=Tag.OPERATION,
                extension_type=int(ItemType.ENUMERATION),
                extension_item_type=ItemTypeName.ENUMERATION,
                # An Integer, which has a sign.
                extension_enumeration=int(operation) - (1 << 32),
            )


_ANSWERS: dict[QueryFunction, Callable[[Context, QueryResponse], None]] = {
    QueryFunction.QUERY_OPERATIONS: _operations,
    QueryFunction.QUERY_OBJECTS: _objects,
    QueryFunction.QUERY_SERVER_INFORMATION: _server,
    QueryFunction.QUERY_EXTENSION_LIST: _extensions,
    QueryFunction.QUERY_EXTENSION_MAP: _extension_map,
    QueryFunction.QUERY_RNGS: _rngs,
    QueryFunction.QUERY_PROFILES: _profiles,
    QueryFunction.QUERY_CAPABILITIES: _capabilities,
    QueryFunction.QUERY_DEFAULTS_INFORMATION: _defaults,
    QueryFunction.QUERY_STORAGE_PROTECTION_MASKS: _storage,
}
