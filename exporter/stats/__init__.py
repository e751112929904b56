"""The body of a `/stats` response, parsed into day records by the rules in docs/stats-format.md.

Takes in bytes, and the folder and day that were requested; gives `FolderDay` values. Pure: no I/O, no clock. Open
`parser` first, then `day_record`.
"""
