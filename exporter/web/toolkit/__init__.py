"""Reads the web configuration file of Prometheus exporters: TLS, passwords, headers, a rate limit.

Takes the file; returns a `WebConfig` and the TLS context for it. Imports nothing of `web`. Open `schema` first.
"""
