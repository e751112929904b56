"""The web configuration file of Prometheus exporters: TLS, passwords, headers, a rate limit.

Takes in the file; gives a `WebConfig` and the TLS context made from it. Imports nothing of `web`. Open `schema` first.
"""
