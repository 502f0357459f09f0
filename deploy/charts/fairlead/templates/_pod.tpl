{{/* What the program's container and that of `helm test` share: configuration, kubeconfigs and credentials. */}}
{{- define "fairlead.mounts" -}}
# Folders as a whole: files mounted with subPath are never updated.
- name: config
  mountPath: /etc/fairlead/config
  readOnly: true
{{- if .Values.fleet.existingSecret }}
- name: fleet
  mountPath: /etc/fairlead/fleet
  readOnly: true
{{- end }}
{{- range .Values.credentials }}
- name: credentials-{{ .name }}
  mountPath: /etc/fairlead/credentials/{{ .name }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "fairlead.volumes" -}}
- name: config
  configMap:
    name: {{ include "fairlead.fullname" . }}-config
{{- with .Values.fleet.existingSecret }}
- name: fleet
  secret:
    secretName: {{ . }}
    # A fleet without clusters is no reason not to start.
    optional: true
    # For the group of the Pod only.
    defaultMode: 0440
{{- end }}
{{- range .Values.credentials }}
- name: credentials-{{ .name }}
  secret:
    secretName: {{ .existingSecret }}
    optional: {{ .optional | default false }}
    defaultMode: 0440
    {{- with .items }}
    items: {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* Where a Pod runs, and what it finds there: the program's, that of helm test, and that which deletes the Lease. */}}
{{- define "fairlead.placement" -}}
enableServiceLinks: false
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Variables of the program's container and that of `helm test`, with those that extraArgs may name. */}}
{{- define "fairlead.env" -}}
{{- with include "fairlead.softMemory" . }}
- name: GOMEMLIMIT
  value: {{ . }}
{{- end }}
{{- if include "fairlead.elects" . }}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
{{- end }}
{{- if .Values.leaderElection.label }}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Nine tenths of the memory limit, so that the garbage collector works harder before the kernel steps in. */}}
{{- define "fairlead.softMemory" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources | toString -}}
{{- if regexMatch "^[0-9]+(Mi|Gi)$" $limit -}}
{{- $mebi := mul (regexFind "^[0-9]+" $limit | int64) (ternary 1024 1 (hasSuffix "Gi" $limit)) -}}
{{- printf "%dMiB" (div (mul $mebi 9) 10) -}}
{{- end -}}
{{- end -}}
