{{- define "fairlead.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Names of the objects, with room for a suffix such as -clusterprofiles. */}}
{{- define "fairlead.fullname" -}}
{{- $name := include "fairlead.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 46 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 46 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "fairlead.selector" -}}
app.kubernetes.io/name: {{ include "fairlead.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Metadata of an object: (list CONTEXT NAME NAMESPACE LABELS ANNOTATIONS). Without a namespace it is the cluster's. */}}
{{- define "fairlead.metadata" -}}
{{- $c := index . 0 -}}
{{- $labels := merge (dict) (index . 3) $c.Values.commonLabels (include "fairlead.selector" $c | fromYaml) (dict
  "app.kubernetes.io/version" ($c.Chart.AppVersion | trunc 63)
  "app.kubernetes.io/managed-by" $c.Release.Service
  "helm.sh/chart" (printf "%s-%s" $c.Chart.Name $c.Chart.Version | replace "+" "_" | trunc 63)) -}}
{{- $annotations := merge (dict) (index . 4) $c.Values.commonAnnotations -}}
name: {{ index . 1 }}
{{- with index . 2 }}
namespace: {{ . | quote }}
{{- end }}
labels: {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "fairlead.account" -}}
{{- .Values.serviceAccount.name | default (ternary (include "fairlead.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "fairlead.image" -}}
{{- $name := .Values.image.repository -}}
{{- with .Values.image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The claim that the ledger is on, or nothing. */}}
{{- define "fairlead.claim" -}}
{{- with .Values.ledger.persistence -}}
{{- if .enabled }}{{ .existingClaim | default (printf "%s-data" (include "fairlead.fullname" $)) }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Labels of the Pod of helm test, which no selector of the program matches. */}}
{{- define "fairlead.testSelector" -}}
app.kubernetes.io/name: {{ include "fairlead.name" . | trunc 58 }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
