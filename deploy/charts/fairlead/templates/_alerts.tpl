{{/* The alerts as values have them: (list VALUES RULES). */}}
{{- define "fairlead.alerts" -}}
{{- $v := index . 0 -}}
{{- $rules := index . 1 -}}
{{- $names := list -}}
{{- range $rules }}{{ $names = append $names .alert }}{{ end -}}
{{- range $key, $given := dict "disabled" $v.disabled "for" (keys $v.for) "severities" (keys $v.severities) -}}
{{- range $given -}}
{{- if not (has . $names) }}{{ fail (printf "prometheusRule.%s: there is no alert %s; there are %s" $key . (join ", " $names)) }}{{ end -}}
{{- end -}}
{{- end -}}
{{/* What an expression has of its thresholds, and what is in the place of each. */}}
{{- $thresholds := dict
  "FairleadOldestUnackedHigh" (list (list "> 600" (printf "> %s" (toJson $v.thresholds.oldestUnackedSeconds))))
  "FairleadBacklogGrowing" (list (list "> 0.5" (printf "> %s" (toJson $v.thresholds.laneFullShare))) (list "> 900" (printf "> %s" (toJson $v.thresholds.behindSeconds))))
  "FairleadThrottled" (list (list "> 0.5" (printf "> %s" (toJson $v.thresholds.throttledShare))))
  "FairleadLedgerFull" (list (list "> 0.9" (printf "> %s" (toJson $v.thresholds.ledgerShare))))
  "FairleadCredentialsExpire" (list (list "7 * 86400" (toJson $v.thresholds.credentialsExpireSeconds))) -}}
{{- $made := list -}}
{{- range $rule := $rules -}}
{{- if not (has $rule.alert $v.disabled) -}}
{{- range get $thresholds $rule.alert | default list -}}
{{- if not (contains (index . 0) $rule.expr) }}{{ fail (printf "%s has no threshold %s" $rule.alert (index . 0)) }}{{ end -}}
{{- $_ := set $rule "expr" (replace (index . 0) (index . 1) $rule.expr) -}}
{{- end -}}
{{- with get $v.for $rule.alert -}}
{{- $_ := set $rule.annotations "description" (replace (printf "%s minutes" (trimSuffix "m" $rule.for)) . $rule.annotations.description) -}}
{{- $_ := set $rule "for" . -}}
{{- end -}}
{{- with get $v.severities $rule.alert }}{{ $_ := set $rule.labels "severity" . }}{{ end -}}
{{- $_ := set $rule "labels" (merge (dict) $v.alertLabels $rule.labels) -}}
{{- $_ := set $rule.annotations "runbook_url" ($v.runbookUrl | replace "{alert}" $rule.alert) -}}
{{- $made = append $made $rule -}}
{{- end -}}
{{- end -}}
{{- toYaml $made -}}
{{- end -}}
