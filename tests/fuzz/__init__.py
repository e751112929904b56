"""Fuzzers of everything that reads bytes from outside; docs/development/testing.md describes how to use them."""
