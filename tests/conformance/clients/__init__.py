"""Suites that other projects wrote for their clients, run unmodified against our broker."""
