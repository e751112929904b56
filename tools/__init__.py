"""What makes the project's generated files, and what measures it. Not part of the wheel."""
