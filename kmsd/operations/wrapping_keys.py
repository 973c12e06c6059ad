"""The keys that Key Wrapping Data and Specifications name, and what each may do (KMIP 1.4 §2.1.5, §2.1.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from kmsd.crypto.ciphers import AUTHENTICATED, cipher_scheme
from kmsd.crypto.parameters import DIGEST_SIZES, signature_scheme
from kmsd.domain import rekey
from kmsd.domain.errors import KmsError
from kmsd.domain.objects import ManagedObject
from kmsd.domain.usage import KeyUse, Purpose
from kmsd.operations.context import Context
from kmsd.operations.using import Use, permitted
from protocol.enums import LinkType, ObjectType, PaddingMethod, ResultReason
from protocol.objects import EncryptionKeyInformation, MACSignatureKeyInformation
from protocol.structures import CryptographicParameters

Information = EncryptionKeyInformation | MACSignatureKeyInformation
_I = TypeVar("_I", EncryptionKeyInformation, MACSignatureKeyInformation)


@dataclass(frozen=True, eq=False, slots=True)
class Role:
    """What a key is named for."""

    name: str
    purposes: Mapping[ObjectType, Purpose]
    matches: bool
    """Whether parameters in the request must be those of the key: so for a specification (KMIP 1.4 §2.1.6)."""


def _role(name: str, symmetric: Purpose, pair: Purpose, *, matches: bool) -> Role:
    purposes = {
        ObjectType.SYMMETRIC_KEY: symmetric,
        ObjectType.PUBLIC_KEY: pair,
        ObjectType.PRIVATE_KEY: pair,
    }
    return Role(name, purposes, matches)


MAKING = (
    _role("wrapping key", Purpose.WRAP, Purpose.WRAP, matches=True),
    _role("MAC/signature key", Purpose.MAC_GENERATE, Purpose.SIGN, matches=True),
)
OPENING = (
    _role("wrapping key", Purpose.UNWRAP, Purpose.UNWRAP, matches=False),
    _role("MAC/signature key", Purpose.MAC_VERIFY, Purpose.VERIFY, matches=False),
)
"""For encryption, and for the MAC or signature."""

# A wrapped key names one half of a pair for both directions: the Encryption Key Information that of the key "that was
# used to encrypt", the other that "of the Private Key (or its corresponding Public Key) used to sign" (KMIP 1.4
# §2.1.5). The half that does the work is the one that it is linked to, with permits of its own.
_OTHER_HALF: Mapping[tuple[Purpose, ObjectType], LinkType] = {
    (Purpose.UNWRAP, ObjectType.PUBLIC_KEY): LinkType.PRIVATE_KEY_LINK,
    (Purpose.SIGN, ObjectType.PUBLIC_KEY): LinkType.PRIVATE_KEY_LINK,
    (Purpose.VERIFY, ObjectType.PRIVATE_KEY): LinkType.PUBLIC_KEY_LINK,
}

_REASONS = {
    ResultReason.OBJECT_NOT_FOUND: ResultReason.WRAPPING_OBJECT_NOT_FOUND,
    ResultReason.OBJECT_DESTROYED: ResultReason.WRAPPING_OBJECT_DESTROYED,
    ResultReason.OBJECT_ARCHIVED: ResultReason.WRAPPING_OBJECT_ARCHIVED,
}


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """A key in its role."""

    named: str
    """The version that the request means, by its Unique Identifier: an alias may move on."""
    use: Use
    """Of the key that does the work: `named`, or the other half of its pair."""

    def stated_in(self, information: _I) -> _I:
        """The information as a wrapped key carries it: with parameters that say all that is needed to open it.

        "If not present" they are those of the key's attribute (KMIP 1.4 §2.1.5), so what came from elsewhere is put
        in. Raises UnsupportedError, InvalidParametersError.
        """
        attribute = self.use.key.attributes.get("Cryptographic Parameters")
        parameters: CryptographicParameters | None = _complete(self.use.permit)
        if information.cryptographic_parameters is None and parameters in (attribute, CryptographicParameters()):
            parameters = None
        return replace(information, unique_identifier=self.named, cryptographic_parameters=parameters)


def _complete(permit: KeyUse) -> CryptographicParameters:
    """The parameters of a use with the defaults that the server has applied, where who opens it may have others."""
    parameters = permit.parameters
    if permit.purpose is Purpose.SIGN:
        scheme = signature_scheme(parameters, permit.algorithm, permit.length, None)
        if parameters.digital_signature_algorithm is None:
            parameters = replace(parameters, padding_method=scheme.padding, hashing_algorithm=scheme.hashing)
        if scheme.padding == PaddingMethod.PSS and scheme.hashing is not None:
            salt = DIGEST_SIZES[scheme.hashing] if scheme.salt_length is None else scheme.salt_length
            parameters = replace(parameters, mask_generator_hashing_algorithm=scheme.mask_hashing, salt_length=salt)
    elif parameters.block_cipher_mode in AUTHENTICATED:
        # "This parameter SHALL be provided when the Block Cipher Mode is GCM or CCM" (KMIP 1.4 §3.6).
        parameters = replace(parameters, tag_length=cipher_scheme(parameters, permit.algorithm).tag_length)
    return parameters


def find(ctx: Context, role: Role, information: Information, size: int) -> WrappingKey:
    """The key with its permit, for `size` bytes; Usage Limits count the Key Value, whatever is MACed of it.

    Raises KmsError: as loading and permitting do, with the reasons for wrapping objects, and Illegal Operation (the
    object is no key), Bad Cryptographic Parameters.
    """
    try:
        named = ctx.load(information.unique_identifier)
        purpose = role.purposes.get(named.object_type)
        if purpose is None:
            raise KmsError(ResultReason.ILLEGAL_OPERATION, "the object is no key")
        link = _OTHER_HALF.get((purpose, named.object_type))
        other = rekey.linked(named, link) if link is not None else None
        key = ctx.load(other) if other is not None else named
        parameters = information.cryptographic_parameters
        if role.matches and parameters is not None:
            parameters = _matching(key, parameters)
        use = permitted(ctx, key.uid, purpose, parameters, size)
    except KmsError as error:
        reason = _REASONS.get(error.reason, error.reason)
        raise KmsError(reason, f"{role.name}: {error.message}") from error
    return WrappingKey(named.uid, use)


def _matching(key: ManagedObject, asked: CryptographicParameters) -> CryptographicParameters:
    """The parameters as the key has them: "the server SHALL verify that they match one of the instances of the
    Cryptographic Parameters attribute of the corresponding key" (KMIP 1.4 §2.1.6). A key that has none is for all
    that its algorithm and its usage mask allow, as everywhere here. Raises KmsError Bad Cryptographic Parameters.
    """
    instances = key.attributes.values("Cryptographic Parameters")
    if not instances:
        return asked
    stated = {f.name: value for f in fields(asked) if (value := getattr(asked, f.name)) is not None}
    for instance in instances:
        if all(getattr(instance, name) == value for name, value in stated.items()):
            found: CryptographicParameters = instance
            return found
    raise KmsError(
        ResultReason.BAD_CRYPTOGRAPHIC_PARAMETERS, "its Cryptographic Parameters are other than those in the request"
    )
