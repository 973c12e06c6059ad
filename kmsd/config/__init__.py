"""The configuration: YAML in, one frozen Settings value out, every mistake named with its line."""

import os

# pydantic would look through every package installed for plugins: 8 ms, and code that a key manager did not ask for.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
