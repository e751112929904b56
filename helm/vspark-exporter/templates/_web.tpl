{{/* Fails if a key of webConfig is set without the key that it depends on. */}}
{{- define "vspark-exporter.checkWeb" -}}
{{- with .Values.webConfig -}}
  {{- range list "caSecret" "clientSecret" "userSecret" "serverName" -}}
    {{- if and (index $.Values.webConfig .) (not $.Values.webConfig.existingSecret) -}}
      {{- fail (printf "webConfig.%s: has no effect without webConfig.existingSecret; set both or neither" .) -}}
    {{- end -}}
  {{- end -}}
  {{- range list "caSecret" "clientSecret" "serverName" -}}
    {{- if and (index $.Values.webConfig .) (not $.Values.webConfig.tls) -}}
      {{- fail (printf "webConfig.%s: has no effect if webConfig.tls is false; set webConfig.tls or remove this key" .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "vspark-exporter.scheme" -}}
{{- ternary "https" "http" (and .Values.webConfig.tls (not (empty .Values.webConfig.existingSecret))) -}}
{{- end -}}

{{- define "vspark-exporter.serverName" -}}
{{- default (printf "%s.%s.svc" (include "vspark-exporter.fullname" .) (include "vspark-exporter.namespace" .)) .Values.webConfig.serverName -}}
{{- end -}}

{{- define "vspark-exporter.webFile" -}}
/etc/vspark-exporter/web/{{ .Values.webConfig.key }}
{{- end -}}

{{/* Returns the liveness probe. If clients need a certificate, the kubelet cannot connect, so the healthcheck command runs
     in the container; it counts a rejected TLS handshake as alive. */}}
{{- define "vspark-exporter.liveness" -}}
{{- if .Values.webConfig.clientSecret -}}
exec:
  command: [vspark-exporter, healthcheck, --web.config.file={{ include "vspark-exporter.webFile" . }}]
{{- else -}}
{{ include "vspark-exporter.httpProbe" (dict "root" . "path" "/-/healthy") }}
{{- end -}}
{{- end -}}

{{/* Returns the readiness probe. If clients need a certificate, a script in the container presents one. */}}
{{- define "vspark-exporter.readiness" -}}
{{- if .Values.webConfig.clientSecret -}}
exec:
  command:
    - python3
    - -c
    - |
      {{- .Files.Get "files/http_check.py" | trim | nindent 6 }}
    - "0"
    - ""
    - /etc/vspark-exporter/web-access
    - https://localhost:10219/-/ready
{{- else -}}
{{ include "vspark-exporter.httpProbe" (dict "root" . "path" "/-/ready") }}
{{- end -}}
{{- end -}}

{{/* Returns an httpGet probe. Arguments: root, path. */}}
{{- define "vspark-exporter.httpProbe" -}}
httpGet:
  path: {{ .path }}
  port: metrics
  {{- if eq (include "vspark-exporter.scheme" .root) "https" }}
  scheme: HTTPS
  {{- end }}
{{- end -}}

{{/* Returns the volume with the credentials of a client of the exporter. Arguments: webConfig, and `which` of its Secrets. */}}
{{- define "vspark-exporter.webAccess" -}}
{{- $items := dict
  "caSecret" (list (dict "key" "ca.crt" "path" "ca.crt"))
  "clientSecret" (list (dict "key" "tls.crt" "path" "client.crt") (dict "key" "tls.key" "path" "client.key"))
  "userSecret" (list (dict "key" "username" "path" "username") (dict "key" "password" "path" "password")) -}}
{{- $sources := list -}}
{{- range $which := .which -}}
  {{- with index $.webConfig $which -}}
    {{- $sources = append $sources (dict "secret" (dict "name" . "items" (index $items $which))) -}}
  {{- end -}}
{{- end -}}
{{- with $sources -}}
name: web-access
projected:
  defaultMode: 0440
  sources:
    {{- toYaml . | nindent 4 }}
{{- end -}}
{{- end -}}
