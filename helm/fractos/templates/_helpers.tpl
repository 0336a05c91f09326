{{/* Names: release-chart, or the release alone where it holds the chart's name. At most 46 long,
     so that FULLNAME-operator-metrics has at most the 63 of a Service. */}}
{{- define "fractos.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "fractos.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "fractos.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 46 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Cluster-scoped objects carry the namespace, so that two releases do not meet. */}}
{{- define "fractos.clusterName" -}}
{{- $fullname := include "fractos.fullname" . -}}
{{- if eq $fullname .Release.Namespace -}}{{- $fullname -}}
{{- else -}}{{- printf "%s-%s" .Release.Namespace $fullname -}}{{- end -}}
{{- end -}}

{{- define "fractos.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (printf "%s-operator" (include "fractos.fullname" .)) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "fractos.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fractos.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* Labels of everything. `component` is operator unless the caller says otherwise. */}}
{{- define "fractos.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "fractos.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: fractos
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata common to all: call with (dict "context" $ "name" NAME), and optionally "namespace",
"labels" and "annotations". */}}
{{- define "fractos.metadata" -}}
{{- $labels := merge (dict) (default (dict) .labels) (include "fractos.labels" .context | fromYaml) -}}
{{- $annotations := merge (dict) (default (dict) .annotations) .context.Values.commonAnnotations -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* registry/repository:tag or @digest: call with (dict "context" $ "image" IMAGE). */}}
{{- define "fractos.image" -}}
{{- $registry := default .context.Values.global.imageRegistry .image.registry -}}
{{- $repository := .image.repository -}}
{{- if $registry -}}{{- $repository = printf "%s/%s" (trimSuffix "/" $registry) $repository -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .context.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "fractos.imagePullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq -}}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end -}}
{{- end -}}

{{/* A duration that the schema allows, such as 1500ms, in milliseconds. */}}
{{- define "fractos.milliseconds" -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) (regexFind "[a-z]+$" .)) -}}
{{- end -}}

{{/* What no schema can say. Each message says what to do. */}}
{{- define "fractos.validate" -}}
{{- with .Values.leaderElection -}}
{{- if .enabled -}}
{{- /* As lib/kube's Validate has it, for an operator that refuses its flags ends, and is started again for ever. */ -}}
{{- $lease := include "fractos.milliseconds" .leaseDuration | int64 -}}
{{- $renew := include "fractos.milliseconds" .renewDeadline | int64 -}}
{{- $retry := include "fractos.milliseconds" .retryPeriod | int64 -}}
{{- if eq $retry 0 -}}
{{- fail "leaderElection.retryPeriod is 0: it must be more" -}}
{{- end -}}
{{- if le (mul $renew 5) (mul $retry 6) -}}
{{- fail (printf "leaderElection.renewDeadline is %s: it must be more than 1.2 times retryPeriod, which is %s" .renewDeadline .retryPeriod) -}}
{{- end -}}
{{- if or (mod $lease 1000) (lt $lease (add $renew $retry 500)) -}}
{{- fail (printf "leaderElection.leaseDuration is %s: it must be in whole seconds, and at least %dms: renewDeadline, retryPeriod and 500ms, or others could lead before this one has noticed" .leaseDuration (add $renew $retry 500)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicaCount) 1) -}}
{{- fail "leaderElection.enabled is false: then replicaCount must be 1, for two operators without election would drive the same runs" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled: choose one, for every sample would be scraped twice" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) -}}
{{- fail "metrics.serviceMonitor.enabled needs metrics.service.enabled; without a Service use metrics.podMonitor" -}}
{{- end -}}
{{- /* Else Helm says "no matches for kind", and not which value asked for it. */ -}}
{{- range $value, $wanted := dict "metrics.serviceMonitor.enabled" .Values.metrics.serviceMonitor.enabled "metrics.podMonitor.enabled" .Values.metrics.podMonitor.enabled "prometheusRule.enabled" .Values.prometheusRule.enabled -}}
{{- if and $wanted (not ($.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
{{- fail (printf "%s takes the Prometheus operator's CRDs, and this cluster has none: install them first, or unset it (helm template, which asks no cluster, takes --api-versions monitoring.coreos.com/v1)" $value) -}}
{{- end -}}
{{- end -}}
{{- if has "" .Values.watchNamespaces -}}
{{- fail "watchNamespaces holds an empty name: leave the list empty to watch all namespaces" -}}
{{- end -}}
{{- end -}}
