"""The configuration file, parsed and checked, as typed values and as the targets to poll.

Takes in a YAML file; gives a `Config` and its `Target`s, or every error in the file at once. Open `schema` first.
"""
