"""The body of a `/stats` response, parsed into the calls of folders and agents by the rules in docs/stats-format.md.

Takes in the bytes of a body and the folder and day that were requested; returns `FolderDay` values. Pure: no I/O, no
clock. Open `parser` first (how day records are found), then `folder_day` (how their values are read).
"""
