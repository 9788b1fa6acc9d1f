"""AvroConverter: schemas to Avro's and back, and values by fastavro.

`types` reads Avro's JSON, `to_connect` and `from_connect` are the two directions of schemas, `values` turns
decoded values into Connect's and back, `converter` puts them together. fastavro is the extra `avro`.
"""
