"""Choosing an instance: power of two choices over in-flight calls. No IO; randomness is an argument."""
