{{/* Returns as YAML those of `keys` that are set in `monitor`. */}}
{{- define "vspark-exporter.monitorFields" -}}
{{- $fields := dict -}}
{{- range $key := .keys -}}
  {{- $value := get $.monitor $key -}}
  {{- if kindIs "float64" $value -}}
    {{- $value = int64 $value -}}
  {{- end -}}
  {{- if or $value (kindIs "bool" $value) -}}
    {{- $_ := set $fields $key $value -}}
  {{- end -}}
{{- end -}}
{{- with $fields -}}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{/* Returns as JSON scheme, tlsConfig and basicAuth of a monitor: derived from webConfig unless the monitor sets them.
     Arguments: root, monitor. */}}
{{- define "vspark-exporter.monitorWeb" -}}
{{- $web := .root.Values.webConfig -}}
{{- $derived := dict "scheme" .monitor.scheme "tlsConfig" .monitor.tlsConfig "basicAuth" .monitor.basicAuth -}}
{{- if $web.existingSecret -}}
  {{- $_ := set $derived "scheme" (.monitor.scheme | default (include "vspark-exporter.scheme" .root)) -}}
  {{- if eq $derived.scheme "https" -}}
    {{- $tls := dict "serverName" (include "vspark-exporter.serverName" .root) -}}
    {{- with $web.caSecret -}}
      {{- $_ := set $tls "ca" (dict "secret" (dict "name" . "key" "ca.crt")) -}}
    {{- end -}}
    {{- with $web.clientSecret -}}
      {{- $_ := set $tls "cert" (dict "secret" (dict "name" . "key" "tls.crt")) -}}
      {{- $_ := set $tls "keySecret" (dict "name" . "key" "tls.key") -}}
    {{- end -}}
    {{- range $key, $value := .monitor.tlsConfig -}}
      {{- $_ := set $tls $key $value -}}
    {{- end -}}
    {{- $_ := set $derived "tlsConfig" $tls -}}
  {{- end -}}
  {{- if and $web.userSecret (not .monitor.basicAuth) (not .monitor.authorization) -}}
    {{- $name := dict "name" $web.userSecret "key" "username" -}}
    {{- $_ := set $derived "basicAuth" (dict "username" $name "password" (dict "name" $web.userSecret "key" "password")) -}}
  {{- end -}}
{{- end -}}
{{- toJson $derived -}}
{{- end -}}

{{/* Returns the endpoint of a monitor. Arguments: root, monitor. */}}
{{- define "vspark-exporter.monitorEndpoint" -}}
{{- $monitor := merge (include "vspark-exporter.monitorWeb" . | fromJson) .monitor -}}
port: metrics
path: /metrics
{{ include "vspark-exporter.monitorFields" (dict "monitor" $monitor "keys" (list "interval" "scrapeTimeout" "scheme" "tlsConfig" "basicAuth" "authorization" "proxyUrl" "honorLabels" "honorTimestamps" "followRedirects" "enableHttp2" "relabelings" "metricRelabelings")) }}
{{- end -}}

{{- define "vspark-exporter.monitorSpec" -}}
{{ include "vspark-exporter.monitorFields" (dict "monitor" . "keys" (list "jobLabel" "targetLabels" "podTargetLabels" "attachMetadata" "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" "keepDroppedTargets" "bodySizeLimit" "scrapeClass")) }}
{{- end -}}
