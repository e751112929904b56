"""Reads the configuration file.

Takes a YAML file; returns a typed `Config` and its `Target`s, or every error in the file with its line. Open `schema`
first: it has the keys. `convert` turns YAML into its types, and `loaded` loads a whole file.
"""
