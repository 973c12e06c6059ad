"""Query: the fields of its request and response payloads."""

from typing import Annotated

from protocol.administration import DefaultsInformation, ObjectGroups
from protocol.enums import (
    AttestationType,
    ClientRegistrationMethod,
    ObjectType,
    Operation,
    ProtectionStorageMask,
    QueryFunction,
)
from protocol.names import Tag
from protocol.schema import Since, Tagged, Until, structure
from protocol.structures import (
    CapabilityInformation,
    ExtensionInformation,
    ProfileInformation,
    ProtectionStorageMasks,
    RNGParameters,
    ValidationInformation,
)
from protocol.ttlv import Item


@structure
class QueryRequest:
    """KMIP 1.4 §4.25, 2.1 §6.1.40."""

    query_functions: tuple[QueryFunction, ...]
    object_groups: Annotated[ObjectGroups | None, Since(2, 1)] = None


@structure
class QueryResponse:
    """KMIP 1.4 §4.25, 2.1 §6.1.40. Server information holds fields of any kind."""

    operations: Annotated[tuple[Operation, ...], Tagged(Tag.OPERATION)] = ()
    object_types: Annotated[tuple[ObjectType, ...], Tagged(Tag.OBJECT_TYPE)] = ()
    vendor_identification: str | None = None
    server_information: Item | None = None
    application_namespaces: tuple[str, ...] = ()
    extension_information: Annotated[tuple[ExtensionInformation, ...], Since(1, 1)] = ()
    attestation_types: Annotated[tuple[AttestationType, ...], Since(1, 2)] = ()
    rng_parameters: Annotated[tuple[RNGParameters, ...], Since(1, 3)] = ()
    profile_information: Annotated[tuple[ProfileInformation, ...], Since(1, 3)] = ()
    validation_information: Annotated[tuple[ValidationInformation, ...], Since(1, 3)] = ()
    capability_information: Annotated[tuple[CapabilityInformation, ...], Since(1, 3)] = ()
    client_registration_methods: Annotated[tuple[ClientRegistrationMethod, ...], Since(1, 3)] = ()
    defaults_information: Annotated[DefaultsInformation | None, Since(2, 0)] = None
    # 2.0 repeats the mask in place, 2.1 has a structure of masks.
    protection_storage_mask: Annotated[tuple[ProtectionStorageMask, ...], Since(2, 0), Until(2, 0)] = ()
    protection_storage_masks: Annotated[ProtectionStorageMasks | None, Since(2, 1)] = None
