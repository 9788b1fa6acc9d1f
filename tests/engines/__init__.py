"""Apache Kafka and its tools, the originals that tests compare with (`make engines` fetches them)."""
