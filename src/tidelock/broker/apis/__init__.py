"""One file per API key; each registers its key and versions, and ApiVersions answers from that registry."""
