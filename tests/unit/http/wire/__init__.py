"""Tests of tidelock.http."""
