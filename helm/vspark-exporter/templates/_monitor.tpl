{{/* Those of the keys of a monitor that are set, as YAML; takes `monitor` and `keys`. */}}
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

{{- define "vspark-exporter.monitorEndpoint" -}}
port: metrics
path: /metrics
{{ include "vspark-exporter.monitorFields" (dict "monitor" . "keys" (list "interval" "scrapeTimeout" "scheme" "tlsConfig" "basicAuth" "authorization" "proxyUrl" "honorLabels" "honorTimestamps" "followRedirects" "enableHttp2" "relabelings" "metricRelabelings")) }}
{{- end -}}

{{- define "vspark-exporter.monitorSpec" -}}
{{ include "vspark-exporter.monitorFields" (dict "monitor" . "keys" (list "jobLabel" "targetLabels" "podTargetLabels" "attachMetadata" "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" "keepDroppedTargets" "bodySizeLimit" "scrapeClass")) }}
{{- end -}}
