"""The flags and commands of the program `vspark-exporter`.

Takes in the command line; runs the exporter or a command, and returns the exit code. Open `main` first.
"""
