"""Fuzzers for everything that reads bytes from outside. See docs/development/testing.md."""
