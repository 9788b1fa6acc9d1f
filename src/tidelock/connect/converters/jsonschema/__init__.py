"""JsonSchemaConverter: plain JSON whose schema is in a registry.

`to_connect` and `from_connect` are the two directions of schemas, `values` those of values, `converter` puts
them together. Checking records against their schema (`json.fail.invalid.schema`) is the extra `jsonschema`.
"""
