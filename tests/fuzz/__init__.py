"""Fuzzers: what reads bytes from outside gets bytes that nobody would think of. docs/fuzzing.md says how."""
