"""What the chart says of its values: what it refuses, and what is to be done next."""

import pytest

from tests.support.helm_chart import helm, refused, values
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
        ("existingConfigMap=mine", "at '/config': maxProperties: got 2, want 0"),
    ],
)
def test_the_schema_names_what_it_refuses(change: str, message: str) -> None:
    assert message in refused("-f", values("minimal"), "--set", change)


def test_a_configuration_is_required() -> None:
    assert "at '/config': missing properties 'vspark', 'companies'" in refused()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("minimal", "secrets={other}", 'config: a file of the Secret "doctestco" is named, which is not in secrets'),
        (
            "minimal",
            "config.companies[0].token_file=null",
            "config.companies[0]: no token, neither here nor under vspark",
        ),
        (
            "minimal",
            "config.companies[0].token=x",
            "config.companies[0]: token and token_file; exactly one token can be given",
        ),
        (
            "podmonitor",
            "serviceMonitor.enabled=true",
            "podMonitor.enabled: with serviceMonitor.enabled, too, everything would be scraped twice",
        ),
        (
            "existing-configmap",
            "networkPolicy.vsparkPort=0",
            "networkPolicy.vsparkPort: is required with existingConfigMap",
        ),
        ("minimal", "webConfig.userSecret=x", "webConfig.userSecret: is of no use without webConfig.existingSecret"),
        ("web", "webConfig.tls=false", "webConfig.caSecret: is of no use without webConfig.tls"),
    ],
)
def test_what_only_the_templates_can_tell(name: str, change: str, message: str) -> None:
    assert message in refused("-f", values(name), "--set", change)


NOTES = """\
NOTES:
{warning}1. Wait until every folder has been asked for once:

     kubectl -n vspark rollout status deployment/calls-vspark-exporter

   If that takes long, its log says why:

     kubectl -n vspark logs deployment/calls-vspark-exporter

2. Check that it can be read from inside the cluster:

     helm test -n vspark calls

3. Look at the metrics; vspark_up is 0 where V-Spark did not answer:

     kubectl -n vspark port-forward service/calls-vspark-exporter 10219:10219
     curl -s{curl}localhost:10219/metrics | grep ^vspark_up
{more}
A changed configuration is used without a restart, up to two minutes later. Where it cannot be accepted, the old one
stays in use, the log says why, and the alert VSparkConfigReloadFailed fires.
"""
WARNING = """\
WARNING: config holds a token. So it was put into the Secret calls-vspark-exporter, but Helm keeps it with the
release, too, and so does every file that it stands in. Use `secrets` and `token_file` for more than trying out.

"""
UNSCRAPED = """
4. Nothing scrapes it yet. With the Prometheus operator, set serviceMonitor.enabled; otherwise give Prometheus

     - job_name: vspark-exporter
       static_configs:
         - targets: ["calls-vspark-exporter.vspark.svc:10219"]
"""
UNSCRAPED_WEB = """
4. Nothing scrapes it yet. With the Prometheus operator, set serviceMonitor.enabled; otherwise give Prometheus

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
    assert notes.rstrip() == NOTES.format(warning=warning, curl=curl, more=more).rstrip()
