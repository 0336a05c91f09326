{{/* What ServiceMonitors and PodMonitors share. Called with (dict "context" $ "monitor" VALUES). */}}
{{- define "fractos.monitorNamespaces" -}}
{{- if .Values.watchNamespaces -}}
matchNames:
{{- toYaml .Values.watchNamespaces | nindent 0 }}
{{- else -}}
any: true
{{- end -}}
{{- end -}}

{{- define "fractos.monitorEndpoint" -}}
port: metrics
path: /metrics
interval: {{ .monitor.interval }}
scrapeTimeout: {{ .monitor.scrapeTimeout }}
honorLabels: {{ .monitor.honorLabels }}
{{- with .monitor.relabelings }}
relabelings:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .monitor.metricRelabelings }}
metricRelabelings:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}
