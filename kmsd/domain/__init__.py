"""The rules: pure functions over frozen values. Imports protocol, does no I/O, reads no clock."""
