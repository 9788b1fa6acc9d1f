"""The SQL connectors, source and sink; they answer to Confluent's and Aiven's class names.

Imported by name when a configuration asks for it: SQLAlchemy is not loaded before.
"""
