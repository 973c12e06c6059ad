"""CMKs that the configuration declares: made, changed, never deleted; the plan says so before."""

from __future__ import annotations

from typing import Any

import pytest

from kmsd.domain.declared_keys import Kind, plan
from kmsd.operations.declarations import apply_declared
from kmsd.operations.declared import DeclarationError
from kmsd.operations.declared_cmks import stored_cmks
from kmsd.scheduler.jobs import run_due
from protocol.enums import ResultReason
from protocol.operations.create_alias import CreateAliasRequest
from protocol.operations.describe_cmk import DescribeCMKRequest
from protocol.operations.list_cmks import ListCMKsRequest
from protocol.operations.schedule_deletion import ScheduleDeletionRequest
from protocol.operations.set_deletion_protection import SetDeletionProtectionRequest
from protocol.operations.update_alias import UpdateAliasRequest
from protocol.operations.update_rotation_policy import UpdateRotationPolicyRequest
from protocol.versions import V2_1
from tests.operations.conftest import Caller, Server, tenant_settings
from tests.operations.keys import DAY, described, encrypting, make
from tests.operations.requests import attributes, shown

FULL: dict[str, Any] = {
    "spec": "AES_256",
    "description": "of the databases",
    "aliases": ("db/main",),
    "rotation": "90d",
    "deletion_protection": True,
    "deletion_protection_description": "backups",
    "tags": {"team": "storage"},
}


def kinds(server: Server, cmks: dict[str, Any]) -> dict[str, Kind]:
    settings = tenant_settings(cmks=cmks)
    return {d.name: d.kind for d in plan(settings.declarations, stored_cmks(server.store, "acme"))}


async def declare(server: Server, **cmks: Any) -> dict[str, Kind]:
    """Apply, and return what the plan said before; afterwards nothing is left to do."""
    before = kinds(server, cmks)
    await apply_declared(server.services, {"acme": tenant_settings(cmks=cmks)})
    after = kinds(server, cmks)
    assert not {Kind.CREATE, Kind.CHANGE} & set(after.values())
    return before


async def test_a_declared_key_is_made_once_with_all_that_is_declared(app: Caller, server: Server) -> None:
    assert await declare(server, database=FULL, signer={"spec": "EC_P256"}) == {
        "database": Kind.CREATE,
        "signer": Kind.CREATE,
    }
    made = await described(app, "alias/database")
    assert made.alias_names == ("alias/database", "alias/db/main")
    assert (made.key_spec, made.description, made.creator) == ("AES_256", "of the databases", "configuration")
    assert (made.rotation_state, made.rotate_interval) == ("Enabled", 90 * DAY)
    assert (made.deletion_protection, made.deletion_protection_description) == (True, "backups")
    assert [(tag.tag_key, tag.tag_value) for tag in made.tags] == [("team", "storage")]
    assert shown(await app.at(V2_1).call(attributes("alias/database")))["Rotate Interval"] == 90 * DAY
    assert (await described(app, "alias/signer")).key_usage == "SIGN/VERIFY"
    await app.call(encrypting("alias/db/main"))
    assert await declare(server, database=FULL, signer={"spec": "EC_P256"}) == {
        "database": Kind.SAME,
        "signer": Kind.SAME,
    }
    assert (await app.call(ListCMKsRequest())).located_items == 2


async def test_a_changed_declaration_changes_the_key_and_an_omitted_line_nothing(app: Caller, server: Server) -> None:
    await declare(server, database=FULL)
    changed = {
        "aliases": ("db/new",),
        "rotation": "never",
        "deletion_protection": False,
        "tags": {"team": "data", "cost": "7"},
    }
    settings = tenant_settings(cmks={"database": changed})
    [difference] = plan(settings.declarations, stored_cmks(server.store, "acme"))
    assert [(change.field, change.before, change.after) for change in difference.changes] == [
        ("aliases", "alias/database, alias/db/main", "alias/database, alias/db/main, alias/db/new"),
        ("rotation", "90d", "none"),
        ("deletion_protection", "yes", "no"),
        ("tags", "team=storage", "cost=7, team=data"),
    ]
    assert await declare(server, database=changed) == {"database": Kind.CHANGE}
    now = await described(app, "alias/db/new")
    # Aliases are added, never taken away; the description is not spoken of.
    assert now.alias_names == ("alias/database", "alias/db/main", "alias/db/new")
    assert (now.description, now.rotation_state, now.deletion_protection) == ("of the databases", "Disabled", False)
    assert [tag.tag_key for tag in now.tags] == ["cost", "team"]
    assert "Rotate Automatic" not in shown(await app.at(V2_1).call(attributes("alias/database")))


async def test_what_a_client_has_changed_is_brought_back(app: Caller, server: Server) -> None:
    await declare(server, database=FULL)
    uid = (await described(app, "alias/database")).unique_identifier
    await app.call(UpdateRotationPolicyRequest(unique_identifier=uid, rotate_automatic=False))
    await app.call(SetDeletionProtectionRequest(unique_identifier=uid, deletion_protection=True))
    assert await declare(server, database=FULL) == {"database": Kind.CHANGE}
    now = await described(app, uid)
    assert (now.rotate_interval, now.deletion_protection_description) == (90 * DAY, "backups")


async def test_a_removed_declaration_deletes_nothing(app: Caller, server: Server) -> None:
    await declare(server, database=FULL)
    assert await declare(server) == {"database": Kind.UNDECLARED}
    assert (await described(app, "alias/database")).key_state == "Enabled"


@pytest.mark.parametrize(
    "other",
    [{"spec": "AES_128"}, {"origin": "EXTERNAL"}, {"protection": "HSM"}],
)
async def test_what_a_key_is_made_of_is_not_changed(app: Caller, server: Server, other: dict[str, Any]) -> None:
    await declare(server, database={})
    [field] = other
    with pytest.raises(DeclarationError, match=rf"tenants.acme.cmks.database.{field}: .*never changes"):
        await declare(server, database=other)
    assert kinds(server, {"database": other}) == {"database": Kind.IMPOSSIBLE}


async def test_another_default_protection_is_for_keys_to_come(app: Caller, server: Server) -> None:
    await declare(server, database={})
    hsm = tenant_settings(cmks={"database": {}}, default_protection="HSM", hsm="token")
    [difference] = plan(hsm.declarations, stored_cmks(server.store, "acme"))
    assert difference.kind is Kind.SAME


async def test_a_key_that_cannot_be_made_is_said_with_its_name(server: Server) -> None:
    with pytest.raises(DeclarationError, match=r"tenants\.acme\.cmks\.database: this tenant has no HSM protection"):
        await declare(server, database={"protection": "HSM"})


async def test_an_alias_of_another_key_is_left_to_it(app: Caller, server: Server) -> None:
    held = await make(app, alias_names=("alias/database", "alias/db/main"))
    await declare(server, database=FULL)
    assert (await described(app, "alias/database")).unique_identifier == held.unique_identifier
    [cmk] = [cmk for cmk in stored_cmks(server.store, "acme") if cmk.declared == "database"]
    assert cmk.aliases == ()
    await app.call(UpdateAliasRequest(alias_name="alias/database", unique_identifier=cmk.uid))
    assert await declare(server, database=FULL) == {"database": Kind.SAME}


async def test_a_key_is_known_by_its_declaration_wherever_its_alias_has_gone(app: Caller, server: Server) -> None:
    await declare(server, database={})
    first = await described(app, "alias/database")
    other = await make(app)
    await app.call(UpdateAliasRequest(alias_name="alias/database", unique_identifier=other.unique_identifier))
    assert await declare(server, database={}) == {"database": Kind.SAME}
    assert (await app.call(ListCMKsRequest())).located_items == 2
    back = CreateAliasRequest(alias_name="alias/database", unique_identifier=first.unique_identifier)
    assert await app.at(V2_1).refused(back) == ResultReason.NON_UNIQUE_NAME_ATTRIBUTE


async def test_a_key_pending_deletion_is_left_alone_and_a_deleted_one_is_made_anew(app: Caller, server: Server) -> None:
    await declare(server, database={})
    first = (await described(app, "alias/database")).unique_identifier
    await app.call(ScheduleDeletionRequest(unique_identifier=first, pending_window_days=7))
    assert await declare(server, database={"description": "new"}) == {"database": Kind.LEFT_ALONE}
    server.now += 7 * DAY
    assert await run_due(server.services, "acme") == 1
    assert await declare(server, database={}) == {"database": Kind.CREATE}
    assert (await described(app, "alias/database")).unique_identifier != first
    assert await app.at(V2_1).refused(DescribeCMKRequest(unique_identifier=first)) == ResultReason.OBJECT_DESTROYED


async def test_every_change_is_audited_in_the_name_of_the_configuration(app: Caller, server: Server) -> None:
    await declare(server, database={})
    await declare(server, database={"description": "new"})
    uid = (await described(app, "alias/database")).unique_identifier
    records = [record for _, record in server.store.audit_after(0) if record.client == "configuration"]
    assert [(record.operation, record.uid, record.result) for record in records] == [
        ("CREATE_CMK", uid, "SUCCESS"),
        ("CHANGE_DECLARED_CMK", uid, "SUCCESS"),
    ]
