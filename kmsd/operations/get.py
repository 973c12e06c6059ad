"""Get: KMIP 1.4 §4.11, 2.1 §6.1.19: the object's value, wrapped where asked, if anybody may have it at all."""

from __future__ import annotations

from typing import Any

from kmsd.crypto import keyformats
from kmsd.crypto.errors import UnsupportedError
from kmsd.crypto.wrapping import hides_value
from kmsd.domain import lifecycle
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.operations import pkcs_12, shells
from kmsd.operations.context import Context
from kmsd.operations.using import export
from kmsd.operations.wrapped import wrap
from protocol.enums import CryptographicAlgorithm, KeyFormatType, KeyWrapType, ObjectType, ResultReason
from protocol.objects import OBJECT_CLASSES, KeyBlock, KeyValue
from protocol.operations.export import ExportRequest
from protocol.operations.get import GetRequest, GetResponse

SECRETS = frozenset(ObjectType) - {
    ObjectType.PUBLIC_KEY,
    ObjectType.CERTIFICATE,
    ObjectType.CERTIFICATE_REQUEST,
    ObjectType.TEMPLATE,
}


async def handle(ctx: Context, request: GetRequest) -> GetResponse:
    key = ctx.load(request.unique_identifier)
    wire = await served(ctx, key, request)
    return GetResponse(object_type=key.object_type, unique_identifier=key.uid, managed_object=wire)


async def served(ctx: Context, key: ManagedObject, request: GetRequest | ExportRequest) -> Any:
    """The object as the request asks for it, if anybody may have it: no longer fresh. Raises KmsError."""
    specification = request.key_wrapping_specification
    if key.object_type == ObjectType.TEMPLATE and not lifecycle.is_destroyed(key):
        return shells.restore(key)
    if "Key Value Present" in key.attributes and not lifecycle.is_destroyed(key):
        return without_value(key)
    as_registered = shells.registered(key)
    if as_registered is not None and _wants_it_wrapped(key, as_registered, request):
        if key.attributes.get("Extractable") is False:
            raise KmsError(ResultReason.NOT_EXTRACTABLE, "the object is not Extractable")
        return as_registered
    _check_exportable(key, hidden=specification is not None and hides_value(specification.wrapping_method))
    material = await export(ctx, key)
    field = shells.VALUE_FIELDS.get(OBJECT_CLASSES[key.object_type])
    if field is not None and specification is not None:
        # Never the plain value instead: it may be Sensitive.
        raise KmsError(ResultReason.ILLEGAL_OPERATION, "an object without a Key Block is not wrapped")
    if field is not None:
        wire = shells.whole(key, field, material)
    elif request.key_format_type == KeyFormatType.PKCS_12:
        if specification is not None:
            raise KmsError(ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED, "a PKCS#12 container is not wrapped")
        wire = shells.whole(key, "key_block", await pkcs_12.container_of(ctx, key, material))
    else:
        block = _key_block(ctx, key, material, request)
        if specification is not None:
            block = await wrap(ctx, key, block, specification)
        wire = shells.whole(key, "key_block", block)
    if key.attributes.get("Fresh"):
        # KMIP 1.4 §3.34: no longer fresh "as soon as the object has been served to a client".
        ctx.save(key.set("Fresh", False))
    return wire


def _wants_it_wrapped(key: ManagedObject, as_registered: Any, request: GetRequest | ExportRequest) -> bool:
    """Whether an object that was registered wrapped is to be given so: asked for, or the only form there is.

    Raises KmsError: what is kept wrapped only is neither opened nor wrapped otherwise.
    """
    if lifecycle.is_destroyed(key):
        return False
    if request.key_wrap_type == KeyWrapType.AS_REGISTERED:
        if as_registered.key_block.key_value is None:
            raise KmsError(
                ResultReason.KEY_WRAP_TYPE_NOT_SUPPORTED,
                "the object came MACed or signed, not encrypted: that form of it is not kept",
            )
        return True
    if key.material is not None:
        return False
    if request.key_wrap_type == KeyWrapType.NOT_WRAPPED or request.key_wrapping_specification is not None:
        raise KmsError(
            ResultReason.INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, "the key that wraps the object is not for unwrapping"
        )
    return True


def without_value(key: ManagedObject) -> Any:
    """An object of which the server has only the attributes: its Key Block without Key Value (KMIP 1.4 §2.1.3)."""
    algorithm, length = _stated(key)
    block = KeyBlock(
        key_format_type=key.attributes.get("Key Format Type", KeyFormatType.RAW),
        cryptographic_algorithm=algorithm,
        cryptographic_length=length,
    )
    return shells.whole(key, "key_block", block)


def _stated(key: ManagedObject) -> tuple[CryptographicAlgorithm | None, int | None]:
    """Algorithm and length of a Key Block: the length not without the algorithm, and neither for Secret Data, to which
    they do not apply (KMIP 1.4 §2.1.3)."""
    algorithm = key.algorithm
    if algorithm is None or key.object_type == ObjectType.SECRET_DATA:
        return None, None
    return algorithm, key.length or None


def _check_exportable(key: ManagedObject, *, hidden: bool) -> None:
    """Raises KmsError: Object Destroyed, Key Value Not Present, Not Extractable, Sensitive. A value with a MAC or a
    signature beside it is not `hidden`."""
    if lifecycle.is_destroyed(key):
        raise KmsError(ResultReason.OBJECT_DESTROYED, "the object is destroyed")
    if key.material is None:
        raise KmsError(ResultReason.KEY_VALUE_NOT_PRESENT, "the object has no key value")
    if key.object_type in SECRETS and key.protection is ProtectionLevel.HSM:
        # Also wrapped: the plaintext of an HSM key exists in the HSM only.
        raise KmsError(ResultReason.NOT_EXTRACTABLE, "the key never leaves the HSM")
    if key.attributes.get("Extractable") is False:
        raise KmsError(ResultReason.NOT_EXTRACTABLE, "the object is not Extractable")
    if key.attributes.get("Sensitive") and not hidden:
        raise KmsError(ResultReason.SENSITIVE, "the object is Sensitive: it is given encrypted only")


def _key_block(ctx: Context, key: ManagedObject, material: bytes, request: GetRequest | ExportRequest) -> KeyBlock:
    kept = (key.material and key.material.format) or KeyFormatType.RAW
    wanted = request.key_format_type
    if wanted is None:
        # The format of registration (1.4 §4.11), which that of a key made here is the default of its kind (2.1
        # §4.26); so have it the mandatory profile cases BL-M-3 and SASED-M-3 of 2.1 for transparent keys.
        wanted = key.attributes.get("Key Format Type", kept)
    try:
        value = keyformats.convert(key.object_type, material, kept, wanted, request.key_compression_type)
    except UnsupportedError as error:
        reason = ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED
        if request.key_compression_type is not None:
            reason = ResultReason.KEY_COMPRESSION_TYPE_NOT_SUPPORTED
        raise KmsError(reason, str(error)) from error
    algorithm, length = _stated(key)
    return KeyBlock(
        key_format_type=wanted,
        key_compression_type=request.key_compression_type,
        key_value=KeyValue(key_material=value),
        cryptographic_algorithm=algorithm,
        cryptographic_length=length,
    )
