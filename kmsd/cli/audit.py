"""`kmsd audit`: what clients did, as the store has it."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from kmsd.cli.connect import Refused
from kmsd.cli.key_values import Date, Duration
from kmsd.cli.output import say_json, say_table
from kmsd.config.loader import store_of
from kmsd.config.source import ConfigurationError
from kmsd.config.values import closest
from kmsd.domain.records import AuditRecord
from kmsd.operations.declared_cmks import CHANGE
from kmsd.operations.due import OPERATION as ADVANCE
from kmsd.operations.orphans import REMOVAL
from kmsd.scheduler.jobs import DELETE, EXPIRE, ROTATE
from kmsd.server.dispatcher import CONNECT, MESSAGE
from kmsd.storage.errors import SchemaError
from kmsd.storage.trail import Filters, newest
from protocol.enums import Operation, ResultStatus
from protocol.member_names import names_of

OUTCOMES = {
    "success": ResultStatus.SUCCESS,
    "failed": ResultStatus.OPERATION_FAILED,
    "pending": ResultStatus.OPERATION_PENDING,
    "undone": ResultStatus.OPERATION_UNDONE,
}
_OPERATIONS = names_of(Operation) | dict.fromkeys(
    (CONNECT, MESSAGE, ADVANCE, CHANGE, REMOVAL, *(job.name for job in (DELETE, EXPIRE, ROTATE)))
)
"""KMIP's, what the daemon does by itself, and what an operator does."""
_SHOWN = {status.name: name for name, status in OUTCOMES.items()}


class _Moment(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A date, or so long ago; in POSIX seconds."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, str) and value[:1].isdigit() and value[-1:].isalpha() and not value.endswith("Z"):
            return int(time.time()) - Duration().convert(value, param, ctx)
        return Date().convert(value, param, ctx)


class _Operation(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """The name of anything that the trail has records of; as typed, the store takes it with and without underscores."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        typed = str(value)
        # A number is what a client sent that is none of KMIP's.
        if _spelled(typed) not in map(_spelled, _OPERATIONS) and not re.fullmatch("0x[0-9A-Fa-f]{8}", typed):
            self.fail(f"{value!r} is no operation{closest(typed, _OPERATIONS)}", param, ctx)
        return typed


def _spelled(name: str) -> str:
    return name.replace("_", "").upper()


@click.group()
def audit() -> None:
    """Read the audit trail, on the host of the daemon."""


@audit.command("list")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("/etc/kmsd/kmsd.yaml"),
    show_default=True,
    help="The configuration file, which names the store.",
)
@click.option(
    "--store", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The store itself, or a copy of it."
)
@click.option("--tenant")
@click.option("--client", help="Who asked.")
@click.option("--operation", type=_Operation(), help="As roles spell it; CONNECT and MESSAGE for what came to none.")
@click.option("--object", "uid", help="A Unique Identifier.")
@click.option("--outcome", type=click.Choice(list(OUTCOMES), case_sensitive=False))
@click.option("--correlation", help="The Server or Client Correlation Value of a request.")
@click.option("--since", type=_Moment(), help="2030-01-31T12:00:00Z, or 24h for 24 hours ago.")
@click.option("--until", type=_Moment(), help="Not from then on.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def list_records(  # noqa: PLR0913 (click passes each option by name)
    *,
    config: Path,
    store: Path | None,
    tenant: str | None,
    client: str | None,
    operation: str | None,
    uid: str | None,
    outcome: str | None,
    correlation: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the newest records that match all that is asked for. Only reads: also while the daemon serves."""
    filters = Filters(
        tenant=tenant,
        client=client,
        operation=operation,
        uid=uid,
        result=None if outcome is None else OUTCOMES[outcome].name,
        correlation=correlation,
        since=None if since is None else since * 1_000_000,
        until=None if until is None else until * 1_000_000,
    )
    try:
        found = newest(store or store_of(config), filters, limit)
    except (ConfigurationError, SchemaError) as error:
        raise Refused(str(error)) from error
    if as_json:
        say_json([_plain(sequence, record) for sequence, record in found])
        return
    heads = ["time", "tenant", "client", "address", "operation", "object", "outcome", "reason", "detail"]
    say_table(heads, ([_plain(0, record)[head] or "" for head in heads] for _, record in found))


def _plain(sequence: int, record: AuditRecord) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "time": datetime.fromtimestamp(record.time / 1_000_000, UTC).isoformat(timespec="milliseconds"),
        "tenant": record.tenant,
        "client": record.client,
        "address": record.address,
        "operation": record.operation,
        "object": record.uid,
        "outcome": _SHOWN.get(record.result, record.result),
        "reason": record.reason,
        "detail": record.detail,
        "server_correlation_value": record.server_correlation_value,
        "client_correlation_value": record.client_correlation_value,
    }
