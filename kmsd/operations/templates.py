"""Templates of 1.x: named sets of attributes for new objects (KMIP 1.4 §2.1.8, §2.2.6; gone in 2.0)."""

from __future__ import annotations

from collections.abc import Iterable

from kmsd.domain import attribute_rules, lifecycle, making
from kmsd.domain.errors import KmsError, invalid_field
from kmsd.domain.locate import LocateQuery, matches
from kmsd.domain.objects import ManagedObject
from kmsd.operations import shells
from kmsd.operations.context import Context
from protocol.attributes import ATTRIBUTES, CUSTOM, Attribute, Template, spec_of
from protocol.enums import ObjectType, Operation, ResultReason, StorageStatusMask
from protocol.objects import TemplateObject
from protocol.structures import Name
from protocol.versions import V1_0, ProtocolVersion

_SINGLE = frozenset(name for name, spec in ATTRIBUTES.items() if not spec.multiple)


def divided(ctx: Context, request: Template, wire: TemplateObject) -> tuple[Template, TemplateObject]:
    """What a template that a client registers says of itself, and what it holds for new objects.

    Since 1.1 the name stands beside the Template structure, not in it (KMIP 1.4 §2.2.6, §11.4). Raises KmsError Invalid
    Field, and as `attribute_rules.new`.
    """
    names = tuple(attribute for attribute in wire.attributes if attribute.name == "Name")
    if names and ctx.version > V1_0:
        raise invalid_field("the Name of a Template stands in the Template-Attribute")
    own = Template(attributes=request.attributes + names, names=request.names)
    if not any(attribute.name == "Name" for attribute in own.attributes):
        raise invalid_field("a Template has a Name")
    held = tuple(attribute for attribute in wire.attributes if attribute.name != "Name")
    attribute_rules.new(held, ObjectType.TEMPLATE)
    return own, TemplateObject(attributes=held)


def with_templates(ctx: Context, template: Template, object_type: ObjectType) -> tuple[Attribute, ...]:
    """The attributes of a request, with those of the templates that it names.

    A single-valued attribute of the request takes precedence, then that of the template that is named first; what
    does not apply to the new object is left out. Raises KmsError: Item Not Found, Object Archived.
    """
    attributes: Iterable[Attribute] = template.attributes
    for name in template.names:
        held: TemplateObject = shells.restore(_find(ctx, name))
        found = [attribute for attribute in held.attributes if _applies(attribute, object_type, ctx.version)]
        attributes = making.merged(found, attributes, _SINGLE)
    return tuple(attributes)


def _applies(attribute: Attribute, object_type: ObjectType, version: ProtocolVersion) -> bool:
    spec = spec_of(attribute.key)
    return spec is CUSTOM or (spec is not None and spec.applies_to(object_type, version))


def _find(ctx: Context, name: Name) -> ManagedObject:
    query = LocateQuery(
        ctx.tenant.name,
        (Attribute("Name", name), Attribute("Object Type", ObjectType.TEMPLATE)),
        maximum_items=1,
        storage_status_mask=StorageStatusMask.ON_LINE_STORAGE | StorageStatusMask.ARCHIVAL_STORAGE,
    )
    pending = [key for key in ctx.batch.pending.values() if matches(query, key)]
    uids = [key.uid for key in pending] or ctx.services.store.locate(query)
    template = ctx.batch.pending.get(uids[0]) or ctx.services.store.get(ctx.tenant.name, uids[0]) if uids else None
    # A template that the client may not see does not exist for it.
    if template is None or not ctx.batch.grants.covers(Operation.GET_ATTRIBUTES, template):
        raise KmsError(ResultReason.ITEM_NOT_FOUND, f"no template {name.name_value!r}")
    if lifecycle.is_archived(template):
        raise KmsError(ResultReason.OBJECT_ARCHIVED, "the template is archived")
    return template
