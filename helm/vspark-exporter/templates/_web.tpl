{{/* Fails where a part of webConfig is of no use without another. */}}
{{- define "vspark-exporter.checkWeb" -}}
{{- with .Values.webConfig -}}
  {{- range list "caSecret" "clientSecret" "userSecret" "serverName" -}}
    {{- if and (index $.Values.webConfig .) (not $.Values.webConfig.existingSecret) -}}
      {{- fail (printf "webConfig.%s: is of no use without webConfig.existingSecret" .) -}}
    {{- end -}}
  {{- end -}}
  {{- range list "caSecret" "clientSecret" "serverName" -}}
    {{- if and (index $.Values.webConfig .) (not $.Values.webConfig.tls) -}}
      {{- fail (printf "webConfig.%s: is of no use without webConfig.tls" .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "vspark-exporter.scheme" -}}
{{- ternary "https" "http" (and .Values.webConfig.tls (not (empty .Values.webConfig.existingSecret))) -}}
{{- end -}}

{{- define "vspark-exporter.serverName" -}}
{{- default (printf "%s.%s.svc" (include "vspark-exporter.fullname" .) .Release.Namespace) .Values.webConfig.serverName -}}
{{- end -}}

{{- define "vspark-exporter.webFile" -}}
/etc/vspark-exporter/web/{{ .Values.webConfig.key }}
{{- end -}}

{{/* Whether it is alive. The kubelet has no certificate to show; that it is refused is a sign of life, too. */}}
{{- define "vspark-exporter.liveness" -}}
{{- if .Values.webConfig.clientSecret -}}
exec:
  command: [vspark-exporter, healthcheck, --web.config.file={{ include "vspark-exporter.webFile" . }}]
{{- else -}}
{{ include "vspark-exporter.httpProbe" (dict "root" . "path" "/-/healthy") }}
{{- end -}}
{{- end -}}

{{/* Whether it is ready, which only who has a certificate is told, where one is wanted. */}}
{{- define "vspark-exporter.readiness" -}}
{{- if .Values.webConfig.clientSecret -}}
exec:
  command:
    - python3
    - -c
    - |
      {{- .Files.Get "files/ask.py" | trim | nindent 6 }}
    - https://localhost:10219
    - ""
    - /etc/vspark-exporter/web-access
    - /-/ready
{{- else -}}
{{ include "vspark-exporter.httpProbe" (dict "root" . "path" "/-/ready") }}
{{- end -}}
{{- end -}}

{{/* Takes root and path. */}}
{{- define "vspark-exporter.httpProbe" -}}
httpGet:
  path: {{ .path }}
  port: metrics
  {{- if eq (include "vspark-exporter.scheme" .root) "https" }}
  scheme: HTTPS
  {{- end }}
{{- end -}}

{{/* The volume with what somebody needs to get in; takes webConfig, and which of its Secrets. */}}
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
