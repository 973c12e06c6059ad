"""Derive Key: the fields of its request and response payloads."""

from typing import Annotated

from protocol.attributes import Template
from protocol.enums import DerivationMethod, ObjectType
from protocol.names import Tag
from protocol.schema import TwoForms, Until, structure
from protocol.structures import DerivationParameters, ObjectReference


@structure
class DeriveKeyRequest:
    """KMIP 1.4 §4.6, 2.1 §6.1.14."""

    object_type: ObjectType
    unique_identifiers: tuple[ObjectReference, ...]
    derivation_method: DerivationMethod
    derivation_parameters: DerivationParameters
    attributes: Annotated[Template, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES)]


@structure
class DeriveKeyResponse:
    """KMIP 1.4 §4.6, 2.1 §6.1.14."""

    unique_identifier: str
    attributes: Annotated[Template | None, TwoForms(Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTES), Until(1, 4)] = None
