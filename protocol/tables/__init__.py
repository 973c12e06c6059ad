"""The KMIP tables (one row per tag, enumeration value and mask bit) and the generator that reads them."""
