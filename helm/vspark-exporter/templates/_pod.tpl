{{/* Returns the pod of the Deployment or, with shards, of the StatefulSet. */}}
{{- define "vspark-exporter.pod" -}}
metadata:
  labels:
    {{- $labels := include "vspark-exporter.commonLabels" . | fromYaml }}
    {{- mergeOverwrite $labels .Values.podLabels (include "vspark-exporter.podSelector" . | fromYaml) | toYaml | nindent 4 }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "vspark-exporter.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ quote . }}
  {{- end }}
  {{- with .Values.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- range $key := list "imagePullSecrets" "hostAliases" "dnsConfig" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "initContainers" }}
  {{- with index $.Values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  containers:
    - name: exporter
      image: {{ include "vspark-exporter.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      # If the exporter does not start, kubectl describe shows the end of its log.
      terminationMessagePolicy: FallbackToLogsOnError
      args:
        - --config.file=/etc/vspark-exporter/config/config.yaml
        - --config.enable-auto-reload
        {{- if .Values.webConfig.existingSecret }}
        - --web.config.file={{ include "vspark-exporter.webFile" . }}
        {{- end }}
        {{- if int .Values.shards }}
        - --shard=$(POD_INDEX)
        - --total-shards={{ .Values.shards }}
        {{- end }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or (int .Values.shards) .Values.extraEnv }}
      env:
        {{- if int .Values.shards }}
        - name: POD_INDEX
          valueFrom:
            fieldRef:
              fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: metrics
          containerPort: 10219
          protocol: TCP
      livenessProbe:
        {{- include "vspark-exporter.liveness" . | nindent 8 }}
        {{- with .Values.livenessProbe }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      readinessProbe:
        {{- include "vspark-exporter.readiness" . | nindent 8 }}
        {{- with .Values.readinessProbe }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        # Whole folders: files that are mounted with subPath never change.
        - name: config
          mountPath: /etc/vspark-exporter/config
          readOnly: true
        {{- range $index, $secret := .Values.secrets }}
        - name: secret-{{ $index }}
          mountPath: /etc/vspark-exporter/secrets/{{ $secret }}
          readOnly: true
        {{- end }}
        {{- if .Values.webConfig.existingSecret }}
        - name: web
          mountPath: /etc/vspark-exporter/web
          readOnly: true
        {{- end }}
        {{- $access := include "vspark-exporter.webAccess" (dict "webConfig" .Values.webConfig "which" (list "clientSecret")) }}
        {{- if $access }}
        - name: web-access
          mountPath: /etc/vspark-exporter/web-access
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      {{- if include "vspark-exporter.hasToken" . }}
      secret:
        secretName: {{ include "vspark-exporter.fullname" . | quote }}
        defaultMode: 0440
      {{- else }}
      configMap:
        name: {{ .Values.existingConfigMap | default (include "vspark-exporter.fullname" .) | quote }}
      {{- end }}
    {{- range $index, $secret := .Values.secrets }}
    - name: secret-{{ $index }}
      secret:
        secretName: {{ quote $secret }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.webConfig.existingSecret }}
    - name: web
      secret:
        secretName: {{ quote . }}
        defaultMode: 0440
    {{- end }}
    {{- with $access }}
    - {{- . | nindent 6 }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
