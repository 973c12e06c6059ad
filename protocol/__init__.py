"""KMIP: bytes in, structures out, and back. Standard library only; no I/O, no clock, no async."""
