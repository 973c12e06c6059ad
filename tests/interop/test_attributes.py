"""PyKMIP reads, sets, changes and deletes attributes; 1.x and 2.0 have different requests for it."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.enums import ResultStatus
from tests.daemon import Daemon
from tests.interop.conftest import App
from tests.interop.pykmip import (
    FALLS_OVER,
    UNREADABLE_ATTRIBUTES,
    Mask,
    Reason,
    attribute,
    core_objects,
    custom,
    enums,
    payloads,
    refused,
    sent,
    value,
)

Type = enums.AttributeType
Tags = enums.Tags


def _new(value: Any) -> Any:
    return core_objects.NewAttribute(attribute=value)


def _current(value: Any) -> Any:
    return core_objects.CurrentAttribute(attribute=value)


def test_every_attribute_listed_can_be_asked_for(app: App) -> None:
    for uid in (app.aes(), *app.pair()):
        names = app.names(uid)
        _, attributes = app.client.get_attributes(uid, names)
        assert sorted({each.attribute_name.value for each in attributes}) == sorted(names)


def test_what_pykmip_is_said_not_to_read_it_does_not_read(app: App) -> None:
    """Else the table would hide attributes from the other tests. The answers are in order: we read them."""
    _, private = app.pair()
    listed = app.client.get_attribute_list(private)
    for name, limit in UNREADABLE_ATTRIBUTES.items():
        if app.version in limit.versions and name in listed:
            with pytest.raises(Exception, match=FALLS_OVER):
                app.client.get_attributes(private, [name])
            request = payloads.GetAttributesRequestPayload(private, [name])
            answer = sent(app.client, enums.Operation.GET_ATTRIBUTES, request)
            assert answer.result_status == ResultStatus.SUCCESS
            assert [each.name for each in answer.payload.attributes] == [name]


def test_an_attribute_that_is_not_there_is_an_empty_success(app: App) -> None:
    uid = app.aes(active=False)
    assert app.values(uid, "Object Group") == []
    assert app.values(uid, "Deactivation Date") == []


def test_an_attribute_is_set(app: App) -> None:
    uid = app.aes(active=False)
    contact = {"attribute_name": "Contact Information", "attribute_value": "security@example.org"}
    if not app.two:
        # Set Attribute came with 2.0; PyKMIP does not send it before.
        with pytest.raises(Exception, match=r"KMIP 1[.][0-4] does not support"):
            app.client.set_attribute(uid, **contact)
        return
    assert app.client.set_attribute(uid, **contact) == uid
    assert app.value(uid, "Contact Information") == "security@example.org"
    assert app.client.set_attribute(uid, attribute_name="Sensitive", attribute_value=True) == uid
    read_only = refused(app.client.set_attribute, uid, attribute_name="State", attribute_value=enums.State.ACTIVE)
    assert read_only == (Reason.ATTRIBUTE_READ_ONLY)


def test_an_attribute_is_changed(app: App) -> None:
    name, other = Daemon.fresh_name(), Daemon.fresh_name()
    uid = app.client.create(enums.CryptographicAlgorithm.AES, 256, name=name)
    if app.two:
        old, new = _current(value(Tags.NAME, name)), _new(value(Tags.NAME, other))
        app.client.modify_attribute(uid, current_attribute=old, new_attribute=new)
    else:
        answered, changed = app.client.modify_attribute(uid, attribute=attribute(Type.NAME, other, 0))
        assert answered == uid
        assert changed.attribute_value.name_value.value == other
    assert app.value(uid, "Name") == other
    assert app.client.locate(attributes=[attribute(Type.NAME, name)]) == []
    assert app.client.locate(attributes=[attribute(Type.NAME, other)]) == [uid]


@pytest.mark.parametrize(
    ("kind", "content"), [("CRYPTOGRAPHIC_LENGTH", 128), ("CRYPTOGRAPHIC_USAGE_MASK", [Mask.DECRYPT])]
)
def test_an_attribute_of_the_server_is_not_the_clients_to_change(app: App, kind: str, content: Any) -> None:
    uid = app.aes()
    if app.two:
        change = {"new_attribute": _new(value(Tags[kind], content))}
    else:
        change = {"attribute": attribute(Type[kind], content)}
    reason = refused(app.client.modify_attribute, uid, **change)
    assert reason == app.reason(Reason.PERMISSION_DENIED, Reason.ATTRIBUTE_READ_ONLY)


def test_an_attribute_that_is_not_there_is_not_changed(app: App) -> None:
    uid = app.aes()
    group = attribute(Type.OBJECT_GROUP, "a", 0)
    if app.two:
        change = {
            "current_attribute": _current(value(Tags.OBJECT_GROUP, "a")),
            "new_attribute": _new(value(Tags.OBJECT_GROUP, "b")),
        }
    else:
        change = {"attribute": group}
    reason = refused(app.client.modify_attribute, uid, **change)
    assert reason == app.reason(Reason.INVALID_FIELD, Reason.ATTRIBUTE_NOT_FOUND)


def test_attributes_are_deleted(app: App) -> None:
    name = Daemon.fresh_name()
    uid = app.client.create(enums.CryptographicAlgorithm.AES, 256, name=name)
    if app.two:
        app.client.delete_attribute(uid, current_attribute=_current(value(Tags.NAME, name)))
    else:
        answered, deleted = app.client.delete_attribute(uid, attribute_name="Name", attribute_index=0)
        assert answered == uid
        assert deleted.attribute_value.name_value.value == name
    assert app.values(uid, "Name") == []
    assert app.client.locate(attributes=[attribute(Type.NAME, name)]) == []


def test_an_attribute_is_deleted_by_reference(software_app: App) -> None:
    app = software_app
    uid = app.aes()
    if app.two:
        app.client.set_attribute(uid, attribute_name="Contact Information", attribute_value="nobody")
        reference = core_objects.AttributeReference(
            vendor_identification="Example", attribute_name="Contact Information"
        )
        assert refused(app.client.delete_attribute, uid, attribute_reference=reference) == Reason.ATTRIBUTE_NOT_FOUND
        current = _current(value(Tags.CONTACT_INFORMATION, "nobody"))
        app.client.delete_attribute(uid, current_attribute=current)
        assert app.values(uid, "Contact Information") == []
    else:
        reason = refused(app.client.delete_attribute, uid, attribute_name="Contact Information")
        assert reason == Reason.ITEM_NOT_FOUND
    reason = refused(app.client.delete_attribute, **_deletion_of_state(app, uid))
    assert reason == app.reason(Reason.PERMISSION_DENIED, Reason.ATTRIBUTE_READ_ONLY)


def _deletion_of_state(app: App, uid: str) -> dict[str, Any]:
    if app.two:
        return {"unique_identifier": uid, "current_attribute": _current(value(Tags.STATE, enums.State.ACTIVE))}
    return {"unique_identifier": uid, "attribute_name": "State"}


def test_attributes_of_the_clients_own_are_kept(app: App) -> None:
    if app.two:
        pytest.skip("PyKMIP has no custom attributes in 2.0")
    result = app.client.proxy.create(
        enums.ObjectType.SYMMETRIC_KEY,
        core_objects.TemplateAttribute(
            attributes=[
                attribute(Type.CRYPTOGRAPHIC_ALGORITHM, enums.CryptographicAlgorithm.AES),
                attribute(Type.CRYPTOGRAPHIC_LENGTH, 256),
                attribute(Type.CRYPTOGRAPHIC_USAGE_MASK, [Mask.ENCRYPT]),
                custom("x-NETAPP-ClusterName", "cluster-7"),
            ]
        ),
    )
    uid = result.uuid
    assert "x-NETAPP-ClusterName" in app.client.get_attribute_list(uid)
    assert app.value(uid, "x-NETAPP-ClusterName") == "cluster-7"
    app.client.modify_attribute(uid, attribute=custom("x-NETAPP-ClusterName", "cluster-8"))
    assert app.value(uid, "x-NETAPP-ClusterName") == "cluster-8"
    app.client.delete_attribute(uid, attribute_name="x-NETAPP-ClusterName")
    assert app.values(uid, "x-NETAPP-ClusterName") == []
