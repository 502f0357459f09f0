{{/* Labels of the Pod that deletes the Lease, which no selector of the program matches: it waits for those Pods to end. */}}
{{- define "fairlead.uninstallSelector" -}}
app.kubernetes.io/name: {{ include "fairlead.name" . | trunc 53 }}-uninstall
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Metadata of an object that Helm makes when the release is removed, and deletes again: (list CONTEXT NAMESPACE WEIGHT). */}}
{{- define "fairlead.uninstallMetadata" -}}
{{- $c := index . 0 -}}
{{- include "fairlead.metadata" (list $c (printf "%s-uninstall" (include "fairlead.fullname" $c)) (index . 1) (include "fairlead.uninstallSelector" $c | fromYaml) (dict
  "helm.sh/hook" "post-delete"
  "helm.sh/hook-weight" (index . 2)
  "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded,hook-failed"
  "helm.sh/hook-output-log-policy" "hook-succeeded,hook-failed")) -}}
{{- end -}}

{{/* A role of the account that deletes the Lease, and its binding: (list CONTEXT NAMESPACE RULES). */}}
{{- define "fairlead.uninstallRole" -}}
{{- $c := index . 0 }}
{{- $name := printf "%s-uninstall" (include "fairlead.fullname" $c) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{- include "fairlead.uninstallMetadata" (list $c (index . 1) "-2") | nindent 2 }}
rules: {{- toYaml (index . 2) | nindent 0 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{- include "fairlead.uninstallMetadata" (list $c (index . 1) "-1") | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
- kind: ServiceAccount
  name: {{ $name }}
  namespace: {{ $c.Release.Namespace }}
{{ end -}}
