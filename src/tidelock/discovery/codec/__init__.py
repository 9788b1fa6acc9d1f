"""Eureka's documents as bytes: JSON and XML, full and compact; tolerant readers, exact writers. No IO.

`fields` maps an instance to the tree of names and texts that both formats share; `json` and `xml` turn
trees into bytes and back. Readers accept what clients in the wild send and raise `BadDocumentError` for
everything else, never anything else; writers only produce well-formed documents, whatever text an instance
carries. May import `instance` and errors.
"""
