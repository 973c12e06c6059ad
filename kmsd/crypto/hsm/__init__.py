"""Keys that live in an HSM, reached by PKCS#11.

module    loads a module once and safely         pool      sessions, the login, losing and winning back a token
objects   templates, handles, the handle cache    root      the tenants' keys on the token; data keys under them
keeping   making, wrapping and bringing back keys intake    keys that clients bring
selftest, checks, testkeys, abilities             what the token proved to be able to do
mechanisms, errors                                KMIP's terms to PKCS#11's, PKCS#11's errors to kmsd's
provider  the Provider on top of all that
"""
