"""What the converters of a schema registry share: its client, subjects, wire format, and a batch's way.

Imports the api and the standard library's HTTP client.
"""
