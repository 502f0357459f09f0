{{/* "true" if Pods stand by. */}}
{{- define "fairlead.elects" -}}
{{- if or .Values.leaderElection.enabled (eq (toString .Values.config.leaderElect) "true") }}true{{ end -}}
{{- end -}}

{{- define "fairlead.replicas" -}}
{{- $elects := include "fairlead.elects" . -}}
{{- $n := ternary 2 1 (eq $elects "true") -}}
{{- if not (kindIs "invalid" .Values.replicaCount) }}{{ $n = int .Values.replicaCount }}{{ end -}}
{{- if and (gt $n 1) (not $elects) }}{{ fail "replicaCount: more than one Pod needs leaderElection.enabled=true, or each would deliver every change" }}{{ end -}}
{{- $n -}}
{{- end -}}

{{- define "fairlead.leaseName" -}}
{{- .Values.config.leaderElectionId | default (include "fairlead.fullname" .) -}}
{{- end -}}

{{/* NAMESPACE/NAME of the Lease that is the lock, or nothing where the lock is another one. */}}
{{- define "fairlead.lease" -}}
{{- $lock := .Values.config.leaderElectLock | default .Values.leaderElection.lock | default "lease:" -}}
{{- if and (include "fairlead.elects" .) (hasPrefix "lease:" $lock) -}}
{{- regexReplaceAll "[?].*$" (trimPrefix "lease:" $lock) "" | default
  (printf "%s/%s" (.Values.config.leaderElectionNamespace | default .Release.Namespace) (include "fairlead.leaseName" .)) -}}
{{- end -}}
{{- end -}}

{{/* Where members are described, as a list in YAML. */}}
{{- define "fairlead.clusters" -}}
{{- $all := list -}}
{{- with .Values.fleet -}}
{{- if .existingSecret }}{{ $all = append $all "dir:/etc/fairlead/fleet" }}{{ end -}}
{{- if .secrets.enabled -}}
{{- $source := dict "source" (printf "secrets:%s" .secrets.namespace) -}}
{{- with .secrets.format }}{{ $_ := set $source "format" . }}{{ end -}}
{{- with .secrets.selector }}{{ $_ := set $source "selector" . }}{{ end -}}
{{- $all = append $all (ternary $source.source $source (eq (len $source) 1)) -}}
{{- end -}}
{{- if .clusterprofiles.enabled -}}
{{- $source := dict "source" (printf "clusterprofiles:%s" (.clusterprofiles.namespace | default $.Release.Namespace)) -}}
{{- with .clusterprofiles.selector }}{{ $_ := set $source "selector" . }}{{ end -}}
{{- $all = append $all (ternary $source.source $source (eq (len $source) 1)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{/* NAMESPACEs of the hub that the configuration file takes descriptions of members from, as a list in YAML: (list CONTEXT KIND), such as secrets. */}}
{{- define "fairlead.sourceNamespaces" -}}
{{- $c := index . 0 -}}{{- $kind := index . 1 -}}
{{- $all := list -}}
{{- range (include "fairlead.config" $c | fromYaml).clusters -}}
{{- $source := . }}{{ if kindIs "map" . }}{{ $source = .source | default "" }}{{ end -}}
{{- $source = regexReplaceAll "[?].*$" $source "" -}}
{{- if hasPrefix (printf "%s:" $kind) $source }}{{ $all = append $all (trimPrefix (printf "%s:" $kind) $source) }}{{ end -}}
{{- end -}}
{{- uniq $all | toYaml -}}
{{- end -}}

{{/* The configuration file: config, and what other values come to where it says nothing. */}}
{{- define "fairlead.config" -}}
{{- $c := deepCopy .Values.config -}}
{{- $more := dict
  "ledger" "/var/lib/fairlead/fairlead.ledger"
  "drainTimeout" "20s"
  "metricsBindAddress" ":8080"
  "healthProbeBindAddress" ":8081"
  "logFormat" "json" -}}
{{- with include "fairlead.clusters" . | fromYamlArray }}{{ $_ := set $more "clusters" . }}{{ end -}}
{{- with .Values.fleet.includeHub }}{{ $_ := set $more "includeHub" . }}{{ end -}}
{{- with .Values.fleet.clusterprofiles }}
{{- if and .enabled (not .accessProviders) (not $c.clusterProfileAccessProviders) -}}
{{- fail "fleet.clusterprofiles: a ClusterProfile holds no credentials: say in fleet.clusterprofiles.accessProviders, or in a file that config.clusterProfileAccessProviders names, how to get them" -}}
{{- end -}}
{{- end -}}
{{- if .Values.fleet.clusterprofiles.accessProviders -}}
{{- $_ := set $more "clusterProfileAccessProviders" "/etc/fairlead/config/access-providers.json" -}}
{{- end -}}
{{- if include "fairlead.elects" . -}}
{{- $_ := set $more "leaderElect" true -}}
{{- $_ := set $more "leaderElectionId" (include "fairlead.leaseName" .) -}}
{{- with .Values.leaderElection.lock }}{{ $_ := set $more "leaderElectLock" . }}{{ end -}}
{{- end -}}
{{- range $key, $value := $more }}{{ if not (hasKey $c $key) }}{{ $_ := set $c $key $value }}{{ end }}{{ end -}}
{{- $_ := set $c "apiVersion" "fairlead.dev/v1alpha1" -}}
{{- $_ := set $c "kind" "Config" -}}
{{- toYaml $c -}}
{{- end -}}

{{/* Of the configuration file what is read at the start only: the Pod is replaced when it changes. The rest is read again. */}}
{{- define "fairlead.restart" -}}
{{- $kept := dict "accessProviders" .Values.fleet.clusterprofiles.accessProviders -}}
{{- range $key, $value := include "fairlead.config" . | fromYaml -}}
{{- if or (has $key (list "clusters" "includeHub" "hubKubeconfig" "clusterProfileAccessProviders" "nameHold" "ledger" "ledgerRetention" "deadLetter" "logFormat" "advertiseAddress" "leaderLabel"))
  (hasPrefix "leaderElect" $key) (hasSuffix "BindAddress" $key) -}}
{{- $_ := set $kept $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{/* How many seconds the Pod has to end: to drain, and 35 for the rest. config.drainTimeout is a duration of Go, such as 1m30s. */}}
{{- define "fairlead.gracePeriod" -}}
{{- $drain := (include "fairlead.config" . | fromYaml).drainTimeout | toString -}}
{{- if not (regexMatch "^(0|([0-9]+(\\.[0-9]+)?(ms|s|m|h))+)$" $drain) }}{{ fail (printf "config.drainTimeout: %q is no duration such as 20s or 1m30s" $drain) }}{{ end -}}
{{- $sum := 35.0 -}}
{{- range $part := regexFindAll "[0-9.]+(ms|s|m|h)" $drain -1 -}}
{{- $unit := regexFind "[a-z]+" $part -}}
{{- $sum = addf $sum (mulf (trimSuffix $unit $part) (get (dict "ms" 0.001 "s" 1 "m" 60 "h" 3600) $unit)) -}}
{{- end -}}
{{- $seconds := ceil $sum | int64 -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- max $seconds 60 -}}
{{- else if lt (int64 $given) $seconds -}}
{{- fail (printf "terminationGracePeriodSeconds: the Pod needs %d, config.drainTimeout (%s) and 35 s; leave it out to have that" $seconds $drain) -}}
{{- else -}}
{{- int64 $given -}}
{{- end -}}
{{- end -}}

{{/* Values that would make a Pod that is never ready, or a monitor of nothing. */}}
{{- define "fairlead.checkPorts" -}}
{{- if not (include "fairlead.port" (list . "healthProbeBindAddress" 8081) | int) -}}
{{- range $probe := list "livenessProbe" "readinessProbe" -}}
{{- if eq (dig "httpGet" "port" "" (get $.Values $probe | default dict) | toString) "health" -}}
{{- fail (printf "config.healthProbeBindAddress: without it %s asks a port that there is not, so the Pod would never be ready: leave the address out, or set %s to null" $probe $probe) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (include "fairlead.port" (list . "metricsBindAddress" 8080) | int) -}}
{{- range $kind := list "serviceMonitor" "podMonitor" -}}
{{- if (get $.Values $kind).enabled }}{{ fail (printf "config.metricsBindAddress: without it %s.enabled has nothing to read" $kind) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The port of an address in config, 0 if it serves none: (list CONTEXT KEY DEFAULT). */}}
{{- define "fairlead.port" -}}
{{- $address := get (index . 0).Values.config (index . 1) | toString -}}
{{- $port := regexFind "[0-9]+$" $address -}}
{{- $port | default (index . 2) -}}
{{- end -}}

{{/* The namespaces of records in the hub, one for each route hub:NAMESPACE that has no kubeconfig of another hub, as a list in YAML. */}}
{{- define "fairlead.recordNamespaces" -}}
{{- $all := list -}}
{{- range .Values.config.routes -}}
{{- $sink := . }}{{ $elsewhere := false }}{{ if kindIs "map" . }}{{ $sink = .sink | default "" }}{{ $elsewhere = hasKey . "kubeconfig" }}{{ end -}}
{{- if regexMatch "[?&]kubeconfig=" $sink }}{{ $elsewhere = true }}{{ end -}}
{{- if and (hasPrefix "hub:" $sink) (not $elsewhere) }}{{ $all = append $all (regexReplaceAll "[?].*$" (trimPrefix "hub:" $sink) "") }}{{ end -}}
{{- end -}}
{{- uniq $all | toYaml -}}
{{- end -}}
