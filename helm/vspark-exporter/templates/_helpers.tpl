{{- define "vspark-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters, so that names with a suffix stay within 63. */}}
{{- define "vspark-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $whole .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "vspark-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* A Service of another name with shards: the addresses of an existing Service cannot be changed. */}}
{{- define "vspark-exporter.serviceName" -}}
{{- include "vspark-exporter.fullname" . }}{{ if int .Values.shards }}-shards{{ end -}}
{{- end -}}

{{- define "vspark-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "vspark-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "vspark-exporter.commonLabels" -}}
{{- $labels := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service -}}
{{- mergeOverwrite $labels .Values.commonLabels (include "vspark-exporter.selectorLabels" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Returns the metadata of an object. Arguments: root; optionally suffix, namespace, labels, annotations. */}}
{{- define "vspark-exporter.metadata" -}}
name: {{ printf "%s%s" (include "vspark-exporter.fullname" .root) (.suffix | default "") | quote }}
namespace: {{ .namespace | default (include "vspark-exporter.namespace" .root) | quote }}
labels:
  {{- mergeOverwrite (include "vspark-exporter.commonLabels" .root | fromYaml) (.labels | default dict) | toYaml | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Selects the exporter's pod, but not the pod of helm test. */}}
{{- define "vspark-exporter.podSelector" -}}
{{ include "vspark-exporter.selectorLabels" . }}
app.kubernetes.io/component: exporter
{{- end -}}

{{- define "vspark-exporter.testSelector" -}}
{{ include "vspark-exporter.selectorLabels" . }}
app.kubernetes.io/component: test
{{- end -}}

{{- define "vspark-exporter.serviceAccountName" -}}
{{- $default := ternary (include "vspark-exporter.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $default .Values.serviceAccount.name -}}
{{- end -}}

{{/* A repository begins with a registry if the part before its first slash has a dot or a port, or is localhost. */}}
{{- define "vspark-exporter.image" -}}
{{- $repository := .Values.image.repository -}}
{{- with .Values.global.imageRegistry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ $repository }}@{{ .digest }}
{{- else -}}
{{ $repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}
