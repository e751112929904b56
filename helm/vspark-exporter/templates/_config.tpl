{{/*
The configuration, with every token in it replaced by the file that it becomes: `config` is for the ConfigMap, `tokens`
for the Secret. As JSON, to be read by fromJson.
*/}}
{{- define "vspark-exporter.split" -}}
{{- $config := deepCopy .Values.config -}}
{{- $tokens := dict -}}
{{- $folder := printf "/etc/vspark-exporter/secrets/%s-tokens" (include "vspark-exporter.fullname" .) -}}
{{- if $config -}}
  {{- $places := list (dict "key" "vspark" "block" $config.vspark) -}}
  {{- range $index, $company := $config.companies -}}
    {{- $places = append $places (dict "key" (printf "company-%d" $index) "block" $company) -}}
  {{- end -}}
  {{- range $places -}}
    {{- if .block.token -}}
      {{- if or .block.token_file .block.token_env -}}
        {{- fail (printf "config: %s has another token beside its token; exactly one can be given" .key) -}}
      {{- end -}}
      {{- $_ := set $tokens .key (toString .block.token) -}}
      {{- $_ := set .block "token_file" (printf "%s/%s" $folder .key) -}}
    {{- end -}}
    {{- $_ := unset .block "token" -}}
  {{- end -}}
{{- end -}}
{{- dict "config" $config "tokens" $tokens | toJson -}}
{{- end -}}

{{/* The names of the Secrets that are mounted, as JSON: those of the values, and that of the tokens in config. */}}
{{- define "vspark-exporter.secrets" -}}
{{- $secrets := .Values.secrets -}}
{{- if (include "vspark-exporter.split" . | fromJson).tokens -}}
  {{- $secrets = append $secrets (printf "%s-tokens" (include "vspark-exporter.fullname" .)) -}}
{{- end -}}
{{- dict "names" $secrets | toJson -}}
{{- end -}}

{{/* Fails where a file is in a Secret that is not mounted, and where a company has no token. */}}
{{- define "vspark-exporter.check" -}}
{{- $secrets := (include "vspark-exporter.secrets" . | fromJson).names -}}
{{- $config := (include "vspark-exporter.split" . | fromJson).config -}}
{{- range regexFindAll "\"/etc/vspark-exporter/secrets/[^/\"]+" (toJson $config) -1 -}}
  {{- $name := base . -}}
  {{- if not (has $name $secrets) -}}
    {{- fail (printf "config: a file of the Secret %q is named, which is not in secrets" $name) -}}
  {{- end -}}
{{- end -}}
{{- $vspark := $config.vspark -}}
{{- range $index, $company := $config.companies -}}
  {{- if not (or $company.token_file $company.token_env $vspark.token_file $vspark.token_env) -}}
    {{- fail (printf "config.companies[%d]: no token, neither here nor under vspark" $index) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
