"""Kafka's transforms and predicates, one file each, after the class of that name.

They import the api and, within this package, `part` (key or value, plans per schema), `paths` (names of
fields and nested paths), `rewrite` (structs and dicts made anew along paths) and `javaregex`. Different from
Kafka: nested paths (`field.syntax.version=V2`) work in all that name fields, not only in ExtractField. The
runtime finds them by name.
"""
