"""Parked requests and their deadlines: delayed fetch, join and sync. No IO, no clock of its own."""
