{{/* Returns as YAML the groups of rules, with the changes of prometheusRule.rules. Argument: root, groups. */}}
{{- define "vspark-exporter.ruleGroups" -}}
{{- $changes := .root.Values.prometheusRule.rules -}}
{{- $names := list -}}
{{- $groups := list -}}
{{- range $group := .groups -}}
  {{- $rules := list -}}
  {{- range $rule := $group.rules -}}
    {{- $name := $rule.alert | default $rule.record -}}
    {{- $names = append $names $name -}}
    {{- $change := get $changes $name | default dict -}}
    {{- include "vspark-exporter.changeRule" (dict "name" $name "rule" $rule "change" $change) -}}
    {{- if ne (toString (get $change "enabled")) "false" -}}
      {{- $rules = append $rules $rule -}}
    {{- end -}}
  {{- end -}}
  {{- if $rules -}}
    {{- $groups = append $groups (merge (dict "rules" $rules) $group) -}}
  {{- end -}}
{{- end -}}
{{- range $name, $_ := $changes -}}
  {{- if not (has $name $names) -}}
    {{- fail (printf "prometheusRule.rules: there is no rule %q; the rules are %s" $name (join ", " $names)) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end -}}

{{/* Changes a rule in place. Arguments: name, rule, change. */}}
{{- define "vspark-exporter.changeRule" -}}
{{- if .change.expr -}}
  {{- $_ := set .rule "expr" .change.expr -}}
{{- end -}}
{{- if hasKey .change "threshold" -}}
  {{- $end := "([<>]=?[^<>=\n]*?)[.0-9]+[ \n]*$" -}}
  {{- if not (regexMatch $end .rule.expr) -}}
    {{- fail (printf "prometheusRule.rules.%s.threshold: the expression does not end with a limit; set expr" .name) -}}
  {{- end -}}
  {{- $_ := set .rule "expr" (regexReplaceAll $end .rule.expr (printf "${1}%v" .change.threshold)) -}}
{{- end -}}
{{- range $key := list "for" "severity" -}}
  {{- if and (get $.change $key) (not $.rule.alert) -}}
    {{- fail (printf "prometheusRule.rules.%s.%s: only alerts have it; this is a recording rule" $.name $key) -}}
  {{- end -}}
{{- end -}}
{{- with .change.for -}}
  {{- $_ := set $.rule "for" . -}}
{{- end -}}
{{- with .change.severity -}}
  {{- $_ := set $.rule.labels "severity" . -}}
{{- end -}}
{{- end -}}
