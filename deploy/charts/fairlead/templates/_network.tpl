{{/*
Rules of a NetworkPolicy that let a Pod reach DNS and API servers. Not what a cloud serves to its machines at link-local addresses: whoever
describes a cluster chooses the address.
*/}}
{{- define "fairlead.reachesServers" -}}
{{- $egress := .Values.networkPolicy.egress -}}
{{- with $egress.dnsPorts }}
- ports: # DNS
  {{- range . }}
  - {port: {{ . }}, protocol: UDP}
  - {port: {{ . }}, protocol: TCP}
  {{- end }}
{{- end }}
{{- range list $egress.members $egress.hub }}
{{- if .cidrs }}
- to:
  {{- range .cidrs }}
  - ipBlock:
      cidr: {{ . | quote }}
      {{- if eq . "0.0.0.0/0" }}
      except: [169.254.0.0/16]
      {{- else if eq . "::/0" }}
      except: ["fe80::/10"]
      {{- end }}
  {{- end }}
  ports:
  {{- range .ports }}
  - port: {{ . }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whom the program may talk to, and so the Pod of `helm test`. */}}
{{- define "fairlead.egress" -}}
{{- include "fairlead.reachesServers" . | trim }}
{{- with .Values.networkPolicy.egress.sinks }}
{{ toYaml . }}
{{- end }}
{{- end -}}
