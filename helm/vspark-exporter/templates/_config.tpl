{{/* Something where a token stands in the configuration itself, else nothing. */}}
{{- define "vspark-exporter.hasToken" -}}
{{- with .Values.config -}}
  {{- range prepend .companies .vspark -}}{{ if .token }}true{{ end }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Fails where a file is in a Secret that is not mounted, and where a company has no token or several. */}}
{{- define "vspark-exporter.check" -}}
{{- $config := .Values.config -}}
{{- range regexFindAll "\"/etc/vspark-exporter/secrets/[^/\"]+" (toJson $config) -1 -}}
  {{- $name := base . -}}
  {{- if not (has $name $.Values.secrets) -}}
    {{- fail (printf "config: a file of the Secret %q is named, which is not in secrets" $name) -}}
  {{- end -}}
{{- end -}}
{{- $everyones := include "vspark-exporter.tokens" (dict "of" "config.vspark" "block" $config.vspark) -}}
{{- range $index, $company := $config.companies -}}
  {{- $place := printf "config.companies[%d]" $index -}}
  {{- if not (or (include "vspark-exporter.tokens" (dict "of" $place "block" $company)) $everyones) -}}
    {{- fail (printf "%s: no token, neither here nor under vspark" $place) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* The token's key in a block of the configuration, or nothing; fails where there are several. */}}
{{- define "vspark-exporter.tokens" -}}
{{- $keys := list -}}
{{- range list "token" "token_file" "token_env" -}}
  {{- if index $.block . -}}{{- $keys = append $keys . -}}{{- end -}}
{{- end -}}
{{- if gt (len $keys) 1 -}}
  {{- fail (printf "%s: %s; exactly one token can be given" .of (join " and " $keys)) -}}
{{- end -}}
{{- join " " $keys -}}
{{- end -}}
