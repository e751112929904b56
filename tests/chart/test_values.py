"""The messages of the chart: errors in values, and the notes after an installation."""

import re
from pathlib import Path

import pytest

from tests.support.helm_chart import helm, rejected, render, values
from tools.docs.chart import CHART


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("serviceMonitr.enabled=true", "at '': additional properties 'serviceMonitr' not allowed"),
        ("service.prot=1", "at '/service': additional properties 'prot' not allowed"),
        ("service.port=0", "at '/service/port': minimum: got 0, want 1"),
        ("secrets={a/b}", "at '/secrets/0': 'a/b' does not match pattern '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'"),
        (
            "image.pullPolicy=Sometimes",
            "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
        ),
        ("config.pol.interval=1m", "at '/config': additional properties 'pol' not allowed"),
        ("config.poll.interval=60", "at '/config/poll/interval': got number, want string"),
        (
            "config.companies[0].orgs[0].folder={Test01}",
            "at '/config/companies/0/orgs/0': additional properties 'folder' not allowed",
        ),
        (
            "config.companies[0].orgs[0].folders={Test01,Test01}",
            "at '/config/companies/0/orgs/0/folders': items at 0 and 1 are equal",
        ),
        (
            "config.companies[0].orgs[0].folders={Test\n01}",
            r"'/config/companies/0/orgs/0/folders/0': 'Test\n01' does not match pattern '^[^\\x00-\\x1f\\x7f-\\x9f]*$'",
        ),
        ("webConfig.key=a/b", "at '/webConfig/key': 'a/b' does not match pattern '^[-._a-zA-Z0-9]+$'"),
        ("shards=-1", "at '/shards': minimum: got -1, want 0"),
        ("shards=two", "at '/shards': got string, want integer"),
        ("namespaceOverride=No", "at '/namespaceOverride': 'No' does not match pattern"),
        ("dnsPolicy=Host", "at '/dnsPolicy': value must be one of '', 'ClusterFirst', "),
        ("service.ipFamilyPolicy=Both", "at '/service/ipFamilyPolicy': value must be one of '', 'SingleStack', "),
        ("service.ipFamilies={IPv5}", "at '/service/ipFamilies/0': value must be one of 'IPv4', 'IPv6'"),
        ("global.imageRegistry=1", "at '/global/imageRegistry': got number, want string"),
        ("hostAliases={x}", "at '/hostAliases/0': got string, want object"),
        ("dnsConfig={x}", "at '/dnsConfig': got array, want object"),
        ("initContainers={x}", "at '/initContainers/0': got string, want object"),
        ("extraContainers={x}", "at '/extraContainers/0': got string, want object"),
        ("extraManifests={x}", "at '/extraManifests/0': got string, want object"),
        ("revisionHistoryLimit=-1", "at '/revisionHistoryLimit': minimum: got -1, want 0"),
        ("terminationGracePeriodSeconds=30s", "at '/terminationGracePeriodSeconds': got string, want integer"),
        (
            "prometheusRule.rules.VSparkNoCalls.disabled=true",
            "at '/prometheusRule/rules/VSparkNoCalls': additional properties 'disabled' not allowed",
        ),
        (
            "prometheusRule.rules.VSparkNoCalls.for=1 hour",
            "at '/prometheusRule/rules/VSparkNoCalls/for': '1 hour' does not match pattern",
        ),
        (
            "prometheusRule.rules.VSparkDataStale.threshold=30m",
            "at '/prometheusRule/rules/VSparkDataStale/threshold': ",
        ),
        ("existingConfigMap=mine", "at '/config': maxProperties: got 2, want 0"),
    ],
)
def test_the_schema_names_the_value_that_it_rejects(change: str, message: str) -> None:
    assert message in rejected("-f", values("minimal"), "--set", change)


def test_the_chart_can_be_part_of_another_one() -> None:
    """Helm hands every global value to every subchart."""
    render("-f", values("minimal"), "--set", "global.imagePullPolicy=Always")


def test_a_configuration_is_required() -> None:
    assert "at '/config': missing property 'vspark'" in rejected()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "minimal",
            "secrets={other}",
            'config: the configuration names a file of the Secret "doctestco"; add that Secret to secrets',
        ),
        (
            "minimal",
            "config.companies[0].token_file=null",
            "config.companies[0]: the token is missing; set token_file, token_env or token here or in config.vspark",
        ),
        (
            "discovery",
            "config.vspark.token_file=null",
            (
                "config.vspark: the token is missing; set token_file, token_env or token here, "
                "or list companies with their own"
            ),
        ),
        (
            "discovery",
            "config.vspark.token=x",
            "config.vspark: token and token_file are set; keep exactly one of them",
        ),
        (
            "minimal",
            "config.companies[0].token=x",
            "config.companies[0]: token and token_file are set; keep exactly one of them",
        ),
        (
            "podmonitor",
            "serviceMonitor.enabled=true",
            "podMonitor.enabled: serviceMonitor is enabled, too, and every series would be scraped twice; enable one",
        ),
        (
            "existing-configmap",
            "networkPolicy.vsparkPort=0",
            "networkPolicy.vsparkPort: required with existingConfigMap, because the chart does not know V-Spark's URL",
        ),
        (
            "minimal",
            "webConfig.userSecret=x",
            "webConfig.userSecret: has no effect without webConfig.existingSecret; set both or neither",
        ),
        (
            "shards",
            "service.type=NodePort",
            (
                "service.type: a service of type NodePort would return the metrics of any one shard; "
                "with shards, only ClusterIP is possible"
            ),
        ),
        (
            "operator",
            "prometheusRule.rules.VSparkNoCals.enabled=false",
            'prometheusRule.rules: there is no rule "VSparkNoCals"; the rules are VSparkUnreachable, ',
        ),
        (
            "operator",
            "prometheusRule.rules.VSparkNoCalls.threshold=1",
            ("prometheusRule.rules.VSparkNoCalls.threshold: the expression does not end with a limit; set expr"),
        ),
        (
            "operator",
            "prometheusRule.rules.job_company:vspark_folder_calls_today:sum.for=1m",
            (
                "prometheusRule.rules.job_company:vspark_folder_calls_today:sum.for: "
                "only alerts have it; this is a recording rule"
            ),
        ),
        (
            "web",
            "webConfig.tls=false",
            "webConfig.caSecret: has no effect if webConfig.tls is false; set webConfig.tls or remove this key",
        ),
    ],
)
def test_the_templates_name_the_value_that_they_reject(name: str, change: str, message: str) -> None:
    assert message in rejected("-f", values(name), "--set", change)


NOTES = """\
NOTES:
The exporter of this release is the {kind} calls-vspark-exporter in the namespace {namespace}.{shards}

{warning}1. Wait until the first poll of every target has ended:

     kubectl -n {namespace} rollout status {workload}/calls-vspark-exporter

   If this takes more than a minute, read the log:

     kubectl -n {namespace} logs {logs}

2. Check that the metrics can be read inside the cluster:

     helm test -n vspark calls

3. Check that the polls succeed. vspark_up is 1 for each target whose last poll succeeded{shown}:

     kubectl -n {namespace} port-forward {forward}
     curl -s{curl}localhost:10219/metrics | grep ^vspark_up

   If a target has 0, the log names the error.
{more}
Changes of the configuration take effect without a restart, within two minutes. If a changed configuration is
invalid, the exporter keeps the previous one, logs every error, and the alert VSparkConfigReloadFailed fires.
"""
WARNING = """\
WARNING: config contains a token. The chart stores the configuration in the Secret calls-vspark-exporter, but Helm
also keeps the token in the release, and your values file contains it. Except for tests, use `secrets` and
`token_file`.

"""
UNSCRAPED = """
4. Let Prometheus scrape the exporter. With the Prometheus operator, set serviceMonitor.enabled. Otherwise add
   this scrape job to the configuration of Prometheus:

     - job_name: vspark-exporter
       static_configs:
         - targets: ["calls-vspark-exporter.vspark.svc:10219"]
"""
UNSCRAPED_SHARDS = UNSCRAPED.replace(
    """\
       static_configs:
         - targets: ["calls-vspark-exporter.vspark.svc:10219"]
""",
    """\
       dns_sd_configs:
         - {names: [calls-vspark-exporter-shards.vspark.svc], type: A, port: 10219}
""",
)
DEPLOYMENT = {
    "kind": "Deployment",
    "shards": "",
    "workload": "deployment",
    "logs": "deployment/calls-vspark-exporter",
    "shown": "",
    "forward": "service/calls-vspark-exporter 10219:10219",
    "namespace": "vspark",
}
SHARDS = {
    "kind": "StatefulSet",
    "shards": " Number of shards: 3.",
    "workload": "statefulset",
    "logs": "--prefix -l app.kubernetes.io/instance=calls,app.kubernetes.io/component=exporter",
    "shown": "; this shows those of shard 0",
    "forward": "pod/calls-vspark-exporter-0 10219",
    "namespace": "vspark",
}
UNSCRAPED_WEB = """
4. Let Prometheus scrape the exporter. With the Prometheus operator, set serviceMonitor.enabled. Otherwise add
   this scrape job to the configuration of Prometheus:

     - job_name: vspark-exporter
       scheme: https
       tls_config:
         server_name: calls-vspark-exporter.vspark.svc
         ca_file: ca.crt
         cert_file: tls.crt
         key_file: tls.key
       basic_auth: {username: USERNAME, password_file: password}
       static_configs:
         - targets: ["calls-vspark-exporter.vspark.svc:10219"]
"""


@pytest.mark.parametrize(
    ("name", "change", "warning", "curl", "more"),
    [
        ("minimal", "", "", " ", UNSCRAPED),
        ("inline-token", "", WARNING, " ", UNSCRAPED),
        ("existing-configmap", "", "", " ", UNSCRAPED),
        ("operator", "", "", " ", ""),
        ("web", "", "", "k -u USERNAME https://", ""),
        (
            *("web", "serviceMonitor.enabled=false,webConfig.clientSecret=exporter-client", ""),
            *("k --cert tls.crt --key tls.key -u USERNAME https://", UNSCRAPED_WEB),
        ),
    ],
)
def test_notes_say_what_to_do_next(name: str, change: str, warning: str, curl: str, more: str) -> None:
    done = helm("install", "calls", CHART, "-n", "vspark", "-f", values(name), "--set", change, "--dry-run=client")
    assert done.returncode == 0, done.stderr
    notes = done.stdout[done.stdout.index("NOTES:") :]
    assert notes.rstrip() == NOTES.format(warning=warning, curl=curl, more=more, **DEPLOYMENT).rstrip()


@pytest.mark.parametrize(
    ("name", "change", "more", "workload"),
    [
        ("shards", "serviceMonitor.enabled=false", UNSCRAPED_SHARDS, SHARDS),
        ("operator", "namespaceOverride=elsewhere", "", DEPLOYMENT | {"namespace": "elsewhere"}),
    ],
)
def test_notes_name_the_objects(name: str, change: str, more: str, workload: dict[str, str]) -> None:
    done = helm(
        *("install", "calls", CHART, "-n", "vspark", "-f", values(name), "--set", change, "--dry-run=client"),
    )
    assert done.returncode == 0, done.stderr
    notes = done.stdout[done.stdout.index("NOTES:") :]
    assert notes.rstrip() == NOTES.format(warning="", curl=" ", more=more, **workload).rstrip()


README_VALUES = [
    example
    for example in re.findall(
        r"^```yaml\n(.*?)^```", (CHART / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    if not example.startswith("# ")  # the name of another file
]


@pytest.mark.parametrize("example", README_VALUES)
def test_the_examples_of_the_readme_fit_the_first_one(tmp_path: Path, example: str) -> None:
    for name, text in (("first", README_VALUES[0]), ("example", example)):
        (tmp_path / name).write_text(text, "utf-8")
    assert render("-f", tmp_path / "first", "-f", tmp_path / "example")
