"""HTTP requests to V-Spark. No other package knows a URL with a token in it.

Takes in a `Target` and a day; returns the bytes of the response's body, or raises a `PollError`. Open `client` first.
"""
