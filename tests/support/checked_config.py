"""A configuration, and what `--config.check` prints for it."""

CONFIG = """\
vspark: {{url: "{url}", token: canary-T0ken}}
discovery: {{enabled: false}}
companies:
  - name: DocTestCo
    orgs:
      - {{name: DocTestCo-DocTesting, timezone: US/Eastern, folders: [Test01, Test02], interval: 30s}}
      - {{name: DocTestCo-Sales}}
"""


CHECKED = """\
https://vspark.example.com:3000: 3 targets
each poll within 10s, responses of at most 64MiB, at most 4 concurrent requests
series for the 1000 busiest agents of each folder that match '.*' and not '', their ids unchanged
no discovery
DocTestCo, token from the configuration file
  DocTestCo-DocTesting, US/Eastern
    Test01, every 30s, stale after 2m30s
    Test02, every 30s, stale after 2m30s
  DocTestCo-Sales, WARNING: no time zone, so no date is sent and the server's today counts
    (all folders), every 1m, stale after 5m
"""
