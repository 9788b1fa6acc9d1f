"""ProtobufConverter: schemas to .proto files and back, and values by the protobuf library.

`read_text` and `write_text` are .proto files, `known` the files that everybody has, `to_connect` and
`from_connect` the two directions of schemas, `values` those of values. protobuf is the extra `protobuf`.
"""
