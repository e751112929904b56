"""HTTP to V-Spark. The only package that knows a URL with a token in it.

Takes in a `Target` and a day; gives the bytes of the response body, or raises a `PollError`. Open `client` first.
"""
