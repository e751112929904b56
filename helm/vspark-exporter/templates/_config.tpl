{{/* Returns a non-empty text if config contains a token itself, otherwise nothing. */}}
{{- define "vspark-exporter.hasToken" -}}
{{- with .Values.config -}}
  {{- range prepend (.companies | default list) .vspark -}}{{ if .token }}true{{ end }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Fails if config names a file of a Secret that is not mounted, or if a company, or the discovery of companies, has no
token or several. */}}
{{- define "vspark-exporter.check" -}}
{{- $config := .Values.config -}}
{{- range regexFindAll "\"/etc/vspark-exporter/secrets/[^/\"]+" (toJson $config) -1 -}}
  {{- $name := base . -}}
  {{- if not (has $name $.Values.secrets) -}}
    {{- fail (printf "config: the configuration names a file of the Secret %q; add that Secret to secrets" $name) -}}
  {{- end -}}
{{- end -}}
{{- $shared := include "vspark-exporter.tokens" (dict "of" "config.vspark" "block" $config.vspark) -}}
{{- if not (or $config.companies $shared) -}}
  {{- fail "config.vspark: the token is missing; set token_file, token_env or token here, or list companies with their own" -}}
{{- end -}}
{{- range $index, $company := $config.companies -}}
  {{- $place := printf "config.companies[%d]" $index -}}
  {{- if not (or (include "vspark-exporter.tokens" (dict "of" $place "block" $company)) $shared) -}}
    {{- fail (printf "%s: the token is missing; set token_file, token_env or token here or in config.vspark" $place) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Returns the key that sets the token in a block of config, or nothing; fails if several keys do. */}}
{{- define "vspark-exporter.tokens" -}}
{{- $keys := list -}}
{{- range list "token" "token_file" "token_env" -}}
  {{- if index $.block . -}}{{- $keys = append $keys . -}}{{- end -}}
{{- end -}}
{{- if gt (len $keys) 1 -}}
  {{- fail (printf "%s: %s are set; keep exactly one of them" .of (join " and " $keys)) -}}
{{- end -}}
{{- join " " $keys -}}
{{- end -}}
