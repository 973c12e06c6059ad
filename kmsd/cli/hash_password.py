"""`kmsd hash-password`: the string that stands for a password in the configuration."""

from __future__ import annotations

import sys

import click

from kmsd.config import passwords


@click.command()
def hash_password() -> None:
    """Read a password and print its Argon2id hash (PHC string format).

    On a terminal it is asked for, twice and without showing it; else it is the first line of standard input.
    """
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.ClickException("the password is empty")
    click.echo(passwords.hash_password(password.encode()))
