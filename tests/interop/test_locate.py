"""PyKMIP finds what it asks for, newest first, and nothing else."""

from __future__ import annotations

import time

import pytest

from tests.daemon import Daemon
from tests.interop.conftest import App
from tests.interop.pykmip import Algorithm, Mask, Reason, attribute, custom, enums, refused, template

Type = enums.AttributeType


def made(app: App, *attributes: object, length: int = 256) -> str:
    result = app.client.proxy.create(
        enums.ObjectType.SYMMETRIC_KEY,
        template(
            attribute(Type.CRYPTOGRAPHIC_ALGORITHM, Algorithm.AES),
            attribute(Type.CRYPTOGRAPHIC_LENGTH, length),
            attribute(Type.CRYPTOGRAPHIC_USAGE_MASK, [Mask.ENCRYPT, Mask.DECRYPT]),
            *attributes,
        ),
    )
    assert result.result_status.value == enums.ResultStatus.SUCCESS, result.result_message
    uid: str = result.uuid
    return uid


def test_a_name_finds_its_object_only(app: App) -> None:
    name = Daemon.fresh_name()
    uid = app.client.create(Algorithm.AES, 256, name=name)
    app.client.create(Algorithm.AES, 256, name=name + "-other")
    assert app.client.locate(attributes=[attribute(Type.NAME, name)]) == [uid]
    assert app.client.locate(attributes=[attribute(Type.NAME, name[:-1])]) == []


def test_a_group_is_narrowed_by_what_else_is_asked(app: App) -> None:
    group = attribute(Type.OBJECT_GROUP, Daemon.fresh_name("group"))
    short, long, active = made(app, group, length=128), made(app, group), made(app, group)
    app.client.activate(active)

    def found(*attributes: object) -> list[str]:
        uids: list[str] = app.client.locate(attributes=[group, *attributes])
        return uids

    assert found() == [active, long, short]
    assert found(attribute(Type.STATE, enums.State.ACTIVE)) == [active]
    assert found(attribute(Type.STATE, enums.State.PRE_ACTIVE)) == [long, short]
    assert found(attribute(Type.CRYPTOGRAPHIC_LENGTH, 128)) == [short]
    assert found(attribute(Type.CRYPTOGRAPHIC_ALGORITHM, Algorithm.AES)) == [active, long, short]
    assert found(attribute(Type.CRYPTOGRAPHIC_ALGORITHM, Algorithm.RSA)) == []
    assert found(attribute(Type.OBJECT_TYPE, enums.ObjectType.SYMMETRIC_KEY)) == [active, long, short]
    assert found(attribute(Type.OBJECT_TYPE, enums.ObjectType.CERTIFICATE)) == []
    assert found(attribute(Type.CRYPTOGRAPHIC_USAGE_MASK, [Mask.ENCRYPT])) == [active, long, short]
    assert found(attribute(Type.CRYPTOGRAPHIC_USAGE_MASK, [Mask.ENCRYPT, Mask.SIGN])) == []
    assert found(attribute(Type.UNIQUE_IDENTIFIER, long)) == [long]


def test_results_come_in_pages(app: App) -> None:
    group = attribute(Type.OBJECT_GROUP, Daemon.fresh_name("group"))
    uids = [made(app, group) for _ in range(5)][::-1]
    assert app.client.locate(maximum_items=2, attributes=[group]) == uids[:2]
    assert app.client.locate(maximum_items=65_535, attributes=[group]) == uids
    if app.version.value >= 1.3:
        assert app.client.locate(maximum_items=2, offset_items=2, attributes=[group]) == uids[2:4]
        assert app.client.locate(offset_items=4, attributes=[group]) == uids[4:]
        assert app.client.locate(offset_items=5, attributes=[group]) == []


def test_dates_are_a_day_or_a_span(app: App) -> None:
    group = attribute(Type.OBJECT_GROUP, Daemon.fresh_name("group"))
    activation = int(time.time()) + 86_400
    uid = made(app, group, attribute(Type.ACTIVATION_DATE, activation))
    made(app, group)

    def found(*attributes: object) -> list[str]:
        uids: list[str] = app.client.locate(attributes=[group, *attributes])
        return uids

    def activated(date: int) -> object:
        return attribute(Type.ACTIVATION_DATE, date)

    assert found(activated(activation)) == [uid]
    assert found(activated(activation + 1)) == []
    assert found(activated(activation - 100), activated(activation + 100)) == [uid]
    assert found(activated(activation + 1), activated(activation + 100)) == []
    initial = app.value(uid, "Initial Date")
    assert len(found(attribute(Type.INITIAL_DATE, initial - 60), attribute(Type.INITIAL_DATE, initial + 60))) == 2


def test_other_attributes_find_objects_too(app: App) -> None:
    namespace = Daemon.fresh_name("namespace")
    information = {"application_namespace": namespace, "application_data": "disk 7"}
    uid = made(app, attribute(Type.APPLICATION_SPECIFIC_INFORMATION, information))
    contact = Daemon.fresh_name("contact")
    second = made(app, attribute(Type.CONTACT_INFORMATION, contact))
    assert app.client.locate(attributes=[attribute(Type.APPLICATION_SPECIFIC_INFORMATION, information)]) == [uid]
    assert app.client.locate(attributes=[attribute(Type.CONTACT_INFORMATION, contact)]) == [second]


def test_an_attribute_of_one_s_own_finds_objects(app: App) -> None:
    if app.two:
        pytest.skip("PyKMIP has no custom attributes in 2.0")
    value = Daemon.fresh_name("volume")
    uid = made(app, custom("x-volume", value))
    made(app, custom("x-volume", value + "-other"))
    assert app.client.locate(attributes=[custom("x-volume", value)]) == [uid]


def test_a_destroyed_object_is_found_among_the_destroyed_only(app: App) -> None:
    group = attribute(Type.OBJECT_GROUP, Daemon.fresh_name("group"))
    gone, kept = made(app, group), made(app, group)
    app.client.destroy(gone)
    online, destroyed = 1, 4
    assert app.client.locate(attributes=[group]) == [kept]
    assert app.client.locate(storage_status_mask=online, attributes=[group]) == [kept]
    if app.version.value >= 1.4:
        assert app.client.locate(storage_status_mask=destroyed, attributes=[group]) == [gone]
        assert app.client.locate(storage_status_mask=online | destroyed, attributes=[group]) == [kept, gone]


def test_an_object_that_was_given_out_is_not_fresh_any_more(software_app: App) -> None:
    app = software_app
    if app.version.value == 1.0:
        pytest.skip("Fresh is of 1.1 and later")
    group = attribute(Type.OBJECT_GROUP, Daemon.fresh_name("group"))
    first, second = made(app, group), made(app, group)
    assert app.value(first, "Fresh") is True
    app.client.get(first)
    assert app.value(first, "Fresh") is False
    fresh = enums.ObjectGroupMember.GROUP_MEMBER_FRESH
    assert app.client.locate(attributes=[group], object_group_member=fresh) == [second]


def test_a_name_belongs_to_one_object_until_it_is_destroyed(app: App) -> None:
    name = Daemon.fresh_name()
    uid = app.client.create(Algorithm.AES, 256, name=name)
    twice = refused(app.client.create, Algorithm.AES, 256, name=name)
    assert twice == app.reason(Reason.INVALID_FIELD, Reason.NON_UNIQUE_NAME_ATTRIBUTE)
    app.client.destroy(uid)
    again = app.client.create(Algorithm.AES, 256, name=name)
    assert app.client.locate(attributes=[attribute(Type.NAME, name)]) == [again]
