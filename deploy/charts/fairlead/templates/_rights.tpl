{{/*
Rights that watches need, as YAML: a list of {namespace, rules}, in which an empty namespace is the whole cluster.

  include "fairlead.rights" WATCHES ──▶ [{namespace: "", rules: [{apiGroups: [apps], resources: [deployments], verbs: [get, list, watch]}]}]

WATCHES are those of the configuration file: texts such as "pods,deployments.apps?namespace=a", or mappings. RBAC knows plurals and groups
only, so other names are refused. A pattern gets no "get": that would include subresources such as pods/exec.
*/}}
{{- define "fairlead.rights" -}}
{{- $core := list "bindings" "componentstatuses" "configmaps" "endpoints" "events" "limitranges" "namespaces" "nodes" "persistentvolumeclaims"
  "persistentvolumes" "pods" "podtemplates" "replicationcontrollers" "resourcequotas" "secrets" "serviceaccounts" "services" -}}
{{- $found := dict -}}
{{- range $watch := . -}}
{{- $names := "" -}}{{- $namespace := "" -}}
{{- if kindIs "map" $watch -}}
{{- $names = $watch.resource -}}{{- $namespace = toString ($watch.namespace | default "") -}}
{{- else -}}
{{- $parts := splitn "?" 2 $watch -}}
{{- $names = $parts._0 -}}
{{- range splitList "&" ($parts._1 | default "") }}{{ if hasPrefix "namespace=" . }}{{ $namespace = trimPrefix "namespace=" . }}{{ end }}{{ end -}}
{{- end -}}
{{- $last := sub (len (splitList "," $names)) 1 -}}
{{- range $i, $name := splitList "," $names -}}
{{- $in := ternary $namespace "" (eq $i (int $last)) -}}{{/* A selection belongs to the last name. */}}
{{- $unversioned := regexReplaceAll "/.*$" (trim $name) "" -}}
{{- $parts := splitn "." 2 $unversioned -}}
{{- $resource := $parts._0 -}}{{- $group := $parts._1 | default "" -}}
{{- if eq $unversioned "*" }}{{ $group = "*" }}{{ end -}}
{{- if and (eq $group "") (ne $resource "*") (not (has $resource $core)) -}}
{{- fail (printf "watches: %q: name it by plural and group, such as deployments.apps, because rights are made of it" $name) -}}
{{- end -}}
{{- $verbs := ternary "list,watch" "get,list,watch" (eq $resource "*") -}}
{{- $key := printf "%s %s %s" $in $group $verbs -}}
{{- $_ := set $found $key (append (get $found $key | default list) $resource) -}}
{{- end -}}
{{- end -}}
{{- $byNamespace := dict -}}
{{- range $key := keys $found | sortAlpha -}}
{{- $parts := splitList " " $key -}}
{{- $rule := dict "apiGroups" (list (index $parts 1)) "resources" (get $found $key | uniq | sortAlpha) "verbs" (splitList "," (index $parts 2)) -}}
{{- $namespace := printf "/%s" (index $parts 0) -}}
{{- $_ := set $byNamespace $namespace (append (get $byNamespace $namespace | default list) $rule) -}}
{{- end -}}
{{- $all := list -}}
{{- range $namespace := keys $byNamespace | sortAlpha -}}
{{- $all = append $all (dict "namespace" (trimPrefix "/" $namespace) "rules" (get $byNamespace $namespace)) -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* A role and its binding to the account: (list CONTEXT NAME NAMESPACE RULES). Without a namespace they are the cluster's. */}}
{{- define "fairlead.role" -}}
{{- $c := index . 0 -}}{{- $name := index . 1 -}}{{- $namespace := index . 2 -}}
{{- $kind := ternary "Role" "ClusterRole" (ne $namespace "") -}}
{{- if and (eq $kind "ClusterRole") (eq $c.Values.rbac.scope "namespace") -}}
{{- fail (printf "rbac.scope=namespace: %s needs a right in the whole cluster: name a namespace, or set rbac.scope=cluster" $name) -}}
{{- end -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata: {{- include "fairlead.metadata" (list $c $name $namespace dict dict) | nindent 2 }}
rules: {{- toYaml (index . 3) | nindent 0 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata: {{- include "fairlead.metadata" (list $c $name $namespace dict dict) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name }}
subjects:
- kind: ServiceAccount
  name: {{ include "fairlead.account" $c }}
  namespace: {{ $c.Release.Namespace }}
{{ end -}}

{{/* What a member grants: reading what is watched, and its identity. (list CONTEXT WATCHES) */}}
{{- define "fairlead.memberRoles" -}}
{{- $c := index . 0 -}}
{{- $name := include "fairlead.fullname" $c -}}
{{- range include "fairlead.rights" (index . 1) | fromYamlArray }}
{{ include "fairlead.role" (list $c (printf "%s-member" $name) .namespace .rules) }}
{{- end }}
{{- if ne $c.Values.rbac.scope "namespace" }}
{{ include "fairlead.role" (list $c (printf "%s-identity" $name) "" (list (dict "apiGroups" (list "") "resources" (list "namespaces") "resourceNames" (list "kube-system") "verbs" (list "get")))) }}
{{- end }}
{{- end -}}
