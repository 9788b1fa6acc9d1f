"""Topics, partitions, ids and configs: the metadata image and the records that change it. No IO."""
