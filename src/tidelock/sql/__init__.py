"""What Connect's connectors and `sync` share about databases: dialects, writers, offset ledger, checksums.

Imports SQLAlchemy Core and, lazily, the driver of the database in use.
"""
