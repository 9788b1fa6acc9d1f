"""One broker: owns all state, turns (request, now) into a reply or a parked request. No IO."""
