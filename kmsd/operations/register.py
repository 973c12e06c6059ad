"""Register: KMIP 1.4 §4.3, 2.1 §6.1.43: an object whose value the client brings."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from kmsd.crypto import certificates, certification, keyformats
from kmsd.crypto.containers import Container
from kmsd.crypto.keyformats import ParsedKey
from kmsd.domain import making, quantum, rekey
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.objects import ManagedObject, ProtectionLevel
from kmsd.domain.policy import check_algorithm
from kmsd.operations import pkcs_12, shells, templates
from kmsd.operations.context import Context, refused
from kmsd.operations.new_objects import begin, check_quota, kept
from kmsd.operations.wrapped import opened_or_kept, wrapping_object
from protocol.attributes import ATTRIBUTES, Attribute, Template
from protocol.compiler import encode
from protocol.enums import CertificateType, KeyFormatType, LinkType, ObjectType, ResultReason
from protocol.objects import OBJECT_TYPES, Certificate, CertificateRequest, KeyBlock, KeyValue, TemplateObject
from protocol.operations.register import RegisterRequest, RegisterResponse
from protocol.schema import ANY
from protocol.structures import CryptographicDomainParameters, Link

REGISTRABLE = frozenset(
    {
        ObjectType.CERTIFICATE,
        ObjectType.CERTIFICATE_REQUEST,
        ObjectType.SYMMETRIC_KEY,
        ObjectType.PUBLIC_KEY,
        ObjectType.PRIVATE_KEY,
        ObjectType.SPLIT_KEY,
        ObjectType.SECRET_DATA,
        ObjectType.OPAQUE_OBJECT,
        ObjectType.PGP_KEY,
        ObjectType.TEMPLATE,
    }
)

IN_HSM = frozenset({ObjectType.SYMMETRIC_KEY, ObjectType.PRIVATE_KEY})
"""What a token keeps and uses. Everything else is sealed under the tenant's key-encryption key."""


async def handle(ctx: Context, request: RegisterRequest) -> RegisterResponse:
    wire: Any = request.managed_object
    object_type = checked_type(request.object_type, wire)
    check_quota(ctx, 1)
    block = block_of(wire)
    wrapped: Any = None
    if block is not None and block.key_wrapping_data is not None:
        wrapped = wire
        opened = await opened_or_kept(ctx, block, block.key_wrapping_data)
        if opened is not None:
            block = opened
            wire = replace(wire, key_block=block)
    if isinstance(wire, TemplateObject):
        return _register_template(ctx, request.attributes, wire)
    template = replace(request.attributes, attributes=with_inner_attributes(request.attributes.attributes, block))
    key = begin(
        ctx,
        object_type,
        template,
        request.protection_storage_masks,
        None if object_type in IN_HSM else ProtectionLevel.SOFTWARE,
    )
    if object_type in shells.SHELLED:
        key = shells.keep(key, wire)
    if wrapped is not None:
        key = shells.keep_registered(key, wrapped)
        # "The server SHALL create a Link attribute of Link Type Wrapping Key Link" (2.1 §6.1.43): 1.x does not see it.
        uid = wrapping_object(ctx, wrapped.key_block.key_wrapping_data)
        key = rekey.relink(key, LinkType.WRAPPING_KEY_LINK, uid, uid)  # once, where the client says it too
    container: Container | None = None
    if block is not None and block.key_format_type == KeyFormatType.PKCS_12 and block.key_wrapping_data is None:
        block, container = await pkcs_12.opened(ctx, key, block)
    if block is not None and block.key_value is None:
        key = without_value(key, block)
    elif block is not None and block.key_wrapping_data is not None:
        key = described_by(key, block)
    else:
        key = await with_value(ctx, key, wire, block)
    if container is not None:
        key = await _with_chain(ctx, key, container)
    ctx.save(key)
    ctx.give(key.uid)
    return RegisterResponse(unique_identifier=key.uid)


async def _with_chain(ctx: Context, key: ManagedObject, container: Container) -> ManagedObject:
    """The key of a PKCS#12 container, linked to its certificate, that to the one of its issuer, and so on: new objects
    too. The key says the friendly name that was found, if the client said none (KMIP 1.4 §3.45)."""
    check_quota(ctx, len(container.certificates))
    if container.friendly_name and pkcs_12.FRIENDLY_NAME not in key.attributes:
        key = key.set(pkcs_12.FRIENDLY_NAME, container.friendly_name)
    issuer: str | None = None
    for number, value in reversed(list(enumerate(container.certificates))):
        wire = Certificate(certificate_type=CertificateType.X_509, certificate_value=value)
        attributes = key.attributes.all(pkcs_12.FRIENDLY_NAME) if number == 0 else ()
        new = begin(ctx, ObjectType.CERTIFICATE, Template(attributes=attributes), None, ProtectionLevel.SOFTWARE)
        new = await with_value(ctx, shells.keep(new, wire), wire, None)
        ctx.save(_linked_to(new, issuer))
        issuer = new.uid
    return _linked_to(key, issuer)


def _linked_to(key: ManagedObject, certificate: str | None) -> ManagedObject:
    if certificate is None:
        return key
    link = Link(link_type=LinkType.PKCS_12_CERTIFICATE_LINK, linked_object_identifier=certificate)
    return key.with_attributes(key.attributes.add(Attribute("Link", link)))


def checked_type(stated: ObjectType | None, wire: Any) -> ObjectType:
    """The type of an object that a client brings; 1.4 says it by the object alone at Import. Raises KmsError: Invalid
    Object Type (none that is registered), Invalid Field (not that of the object)."""
    own = OBJECT_TYPES[type(wire)]
    if stated is not None and stated not in REGISTRABLE:
        raise KmsError(ResultReason.INVALID_OBJECT_TYPE, "an object of this type is not registered")
    if stated not in (None, own):
        raise invalid_field("the Object Type is not that of the object")
    return own


def block_of(wire: Any) -> KeyBlock | None:
    """The object's Key Block, if it has one. Raises KmsError Invalid Field."""
    block: KeyBlock | None = getattr(wire, "key_block", None)
    if block is not None and block.cryptographic_length is not None and block.cryptographic_length < 0:
        raise invalid_field("the Cryptographic Length is negative")
    return block


def _register_template(ctx: Context, attributes: Template, wire: TemplateObject) -> RegisterResponse:
    own, held = templates.divided(ctx, attributes, wire)
    key = shells.keep(begin(ctx, ObjectType.TEMPLATE, own, None, ProtectionLevel.SOFTWARE), held)
    ctx.save(key)
    ctx.give(key.uid)
    return RegisterResponse(unique_identifier=key.uid)


def with_inner_attributes(attributes: tuple[Attribute, ...], block: KeyBlock | None) -> tuple[Attribute, ...]:
    """Attributes inside the Key Value count where the request does not set them itself (KMIP 1.4 §2.1.4)."""
    if block is None or not isinstance(block.key_value, KeyValue) or not block.key_value.attributes:
        return attributes
    given = {attribute.key for attribute in attributes}
    return attributes + tuple(a for a in block.key_value.attributes if a.key not in given)


def without_value(key: ManagedObject, block: KeyBlock) -> ManagedObject:
    """An object of which the server has only the attributes (KMIP 1.4 §3.41)."""
    key = key.set("Key Value Present", False)
    return described_by(key, block)


def described_by(key: ManagedObject, block: KeyBlock) -> ManagedObject:
    """What the Key Block says of material that nobody here has looked into."""
    attributes = key.attributes
    if block.cryptographic_algorithm is not None:
        attributes = attributes.set("Cryptographic Algorithm", block.cryptographic_algorithm)
    if block.cryptographic_length is not None:
        attributes = attributes.set("Cryptographic Length", block.cryptographic_length)
    return key.with_attributes(attributes.set("Key Format Type", block.key_format_type))


async def with_value(ctx: Context, key: ManagedObject, wire: Any, block: KeyBlock | None) -> ManagedObject:
    # Checking an RSA key takes milliseconds, so it goes where long calls go.
    stated = block.cryptographic_algorithm if block is not None else None
    parsed = await ctx.crypto(ctx.tenant.software, _parse, key, wire, block, algorithm=key.algorithm or stated)
    if parsed.algorithm is not None and key.object_type in making.USED_AS_KEYS:
        check_algorithm(ctx.tenant.policy, parsed.algorithm, parsed.length, parsed.curve)
    key = _described(key, parsed)
    quantum.check(key.attributes)
    if isinstance(wire, Certificate):
        with refused():
            key = _certified(key, wire)
    return await kept(ctx, key, parsed, _digest(block))


def _digest(block: KeyBlock | None) -> bytes | None:
    """Of the Key Material as it came, in the format that the Digest says: "calculated on this Byte String", or "on
    the TTLV-encoded Key Material structure" (KMIP 1.4 §3.17)."""
    value = block.key_value if block is not None else None
    if not isinstance(value, KeyValue):
        return None
    material = value.key_material
    return hashlib.sha256(material if isinstance(material, bytes) else encode(material, ANY)).digest()


def _parse(key: ManagedObject, wire: Any, block: KeyBlock | None) -> ParsedKey:
    if isinstance(wire, Certificate):
        return keyformats.parse_certificate(wire)
    if isinstance(wire, CertificateRequest):
        certification.check_request(wire.certificate_request_type, wire.certificate_request_value)
        return ParsedKey(wire.certificate_request_value, KeyFormatType.PKCS_10, KeyFormatType.PKCS_10, None, 0)
    if block is None:
        value = getattr(wire, shells.VALUE_FIELDS[type(wire)])
        return ParsedKey(value, KeyFormatType.OPAQUE, KeyFormatType.OPAQUE, None, 0)
    if not isinstance(block.key_value, KeyValue):
        raise invalid_field("the Key Value is wrapped, and no Key Wrapping Data says how")
    algorithm, length = block.cryptographic_algorithm, block.cryptographic_length
    if key.algorithm is not None:
        if algorithm not in (None, key.algorithm):
            raise invalid_field("two different Cryptographic Algorithms are given")
        algorithm = key.algorithm
    if key.length:
        if length not in (None, key.length):
            raise invalid_field("two different Cryptographic Lengths are given")
        length = key.length
    if algorithm is None and key.object_type == ObjectType.SYMMETRIC_KEY:
        raise invalid_field("the Cryptographic Algorithm is missing")
    return keyformats.parse(key.object_type, block.key_format_type, block.key_value.key_material, algorithm, length)


def _certified(key: ManagedObject, wire: Certificate) -> ManagedObject:
    """What a certificate says of itself, in place of what the client says of it."""
    stated = key.attributes.get("Certificate Type")
    if stated not in (None, wire.certificate_type):
        raise invalid_field("two different Certificate Types are given")
    found = certificates.attributes_of(wire)
    attributes = key.attributes
    for name in {attribute.name for attribute in found}:
        attributes = attributes.remove(name)
    for attribute in found:
        single = not ATTRIBUTES[attribute.name].multiple
        attributes = attributes.put(attribute) if single else attributes.add(attribute)
    return key.with_attributes(attributes)


def _described(key: ManagedObject, parsed: ParsedKey) -> ManagedObject:
    """What the material says of itself, where the client did not."""
    attributes = key.attributes
    if parsed.algorithm is not None:
        attributes = attributes.set("Cryptographic Algorithm", parsed.algorithm)
    if parsed.length:
        attributes = attributes.set("Cryptographic Length", parsed.length)
    if parsed.curve is not None:
        attributes = attributes.set(
            "Cryptographic Domain Parameters", CryptographicDomainParameters(recommended_curve=parsed.curve)
        )
    return key.with_attributes(attributes)
