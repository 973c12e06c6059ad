"""Keys in use: the software and HSM providers, sealing at rest, key formats and key wrapping. All calls block."""
