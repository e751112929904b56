"""Which alerts fire while a target fails with a reason, by promtool and the rules as they are shipped."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.faults.matrix import GROUPS
from tests.integration.faults.row import alerts
from tests.support.repository import ROOT
from tests.support.tools import tool

RULES = sorted((ROOT / "helm" / "vspark-exporter" / "rules").glob("*.yaml"))
REASONS = sorted({row.reason for rows in GROUPS.values() for row in rows if row.reason})
HEALTHY_MINUTES, FAILING_MINUTES = 5, 40
EXPORTER = 'job="vspark",instance="exporter:10219"'
TARGET = f'{EXPORTER},company="C",org="O",folder=""'
NEIGHBOUR = f'{EXPORTER},company="C",org="N",folder=""'


def firing(minute: int, *names: str) -> dict[str, object]:
    return {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)],
    }


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_that_lasts_fires_these_alerts_and_no_others(reason: str, tmp_path: Path) -> None:
    minutes = HEALTHY_MINUTES + FAILING_MINUTES
    series = {
        f"vspark_up{{{TARGET}}}": f"1x{HEALTHY_MINUTES - 1} 0x{FAILING_MINUTES}",
        f'vspark_poll_failures_total{{{TARGET},reason="{reason}"}}': f"_x{HEALTHY_MINUTES} 1+1x{FAILING_MINUTES}",
        f"vspark_last_success_timestamp_seconds{{{TARGET}}}": f"0+60x{HEALTHY_MINUTES - 1} 240x{FAILING_MINUTES}",
        f"vspark_up{{{NEIGHBOUR}}}": f"1x{minutes}",
        f"vspark_last_success_timestamp_seconds{{{NEIGHBOUR}}}": f"0+60x{minutes}",
        f'vspark_exporter_build_info{{{EXPORTER},shard="0",total_shards="1"}}': f"1x{minutes}",
        f"vspark_exporter_config_last_reload_successful{{{EXPORTER}}}": f"1x{minutes}",
        f"vspark_exporter_config_last_reload_success_timestamp_seconds{{{EXPORTER}}}": f"0x{minutes}",
    }
    case = {
        "rule_files": [str(path) for path in RULES],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [firing(HEALTHY_MINUTES - 1), firing(minutes, *alerts(reason))],
            }
        ],
    }
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(case))
    command = [tool("promtool", "prometheus"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 # our own arguments
    assert done.returncode == 0, done.stdout + done.stderr
