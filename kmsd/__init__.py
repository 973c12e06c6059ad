"""kmsd: a multi-tenant key management daemon that speaks KMIP."""
