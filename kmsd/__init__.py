"""kmsd: a multi-tenant key management daemon that speaks KMIP."""

__version__ = "0.1.0"
"""The one place that says it: the build takes it from here."""
