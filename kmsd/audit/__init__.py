"""The audit trail: one record per request item, written before the answer leaves."""

from kmsd.audit.log import StoredRecord, canonical_text, parse_text, record_of

__all__ = ["StoredRecord", "canonical_text", "parse_text", "record_of"]
