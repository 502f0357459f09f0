package selection

import (
	"fmt"
	"slices"
	"strings"
)

// Preset is a named set of fields whose change is not delivered.
type Preset struct {
	Name   string
	Help   string // what it is for, in a sentence
	Fields []PresetField
}

// PresetField is a field whose change is not delivered.
type PresetField struct {
	Resource string // plural[.group]
	Path     string
	Help     string // who changes it, and when
}

// Presets returns all presets, as documented in docs/selection.md.
func Presets() []Preset { return slices.Clone(presets) }

var presets = []Preset{
	{
		Name: "heartbeats",
		Help: "What says that somebody still lives or has looked again, and nothing else.",
		Fields: []PresetField{
			{"nodes", "status.conditions[*].lastHeartbeatTime", "The kubelet, each time it reports its status, at least every five minutes."},
			{"leases.coordination.k8s.io", "spec.renewTime", "Kubelets every ten seconds, API servers and leaders of elections every few seconds."},
			{"endpoints", "metadata.annotations['control-plane.alpha.kubernetes.io/leader']", "Leaders of elections that use an Endpoints object. Another leader is not told, either."},
			{"configmaps", "metadata.annotations['control-plane.alpha.kubernetes.io/leader']", "Leaders of elections that use a ConfigMap. Another leader is not told, either."},
			{"endpoints", "metadata.annotations['endpoints.kubernetes.io/last-change-trigger-time']", "The endpoints controller, with each change of a Pod or Service behind it."},
			{"endpointslices.discovery.k8s.io", "metadata.annotations['endpoints.kubernetes.io/last-change-trigger-time']", "The endpoint slice controller, with each change of a Pod or Service behind it."},
			{"horizontalpodautoscalers.autoscaling", "status.currentMetrics", "The autoscaler, at each measurement, every 15 s."},
			{"horizontalpodautoscalers.autoscaling", "status.currentCPUUtilizationPercentage", "The same, in autoscaling/v1."},
			{"horizontalpodautoscalers.autoscaling", "metadata.annotations['autoscaling.alpha.kubernetes.io/current-metrics']", "The same, in autoscaling/v1."},
			{"deployments.apps", "status.conditions[*].lastUpdateTime", "The deployment controller, with each step of a rollout. What the step changed is still told."},
			{"pods", "status.conditions[*].lastProbeTime", "Whoever sets a condition, when it has looked."},
			{"jobs.batch", "status.conditions[*].lastProbeTime", "The job controller, when it has looked."},
		},
	},
	{
		Name: "repeats",
		Help: "That an event was seen again. The first time is told.",
		Fields: []PresetField{
			{"events", "count", "Whoever reports an event, when it happens again."},
			{"events", "lastTimestamp", "The same."},
			{"events", "series", "The same, with the newer library."},
			{"events.events.k8s.io", "deprecatedCount", "The same."},
			{"events.events.k8s.io", "deprecatedLastTimestamp", "The same."},
			{"events.events.k8s.io", "series", "The same."},
		},
	},
}

// parsePresetRule reads names of presets with commas between them.
func parsePresetRule(text string) (rules []fieldRule, err error) {
	p, _, text, err := splitRule(text)
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(presets, func(p Preset) bool { return p.Name == name })
		if i < 0 {
			var names []string
			for _, p := range presets {
				names = append(names, p.Name)
			}
			return nil, fmt.Errorf("there is no preset %.100q; there are %s", name, strings.Join(names, ", "))
		}
		for _, field := range presets[i].Fields {
			rule, err := parseFieldRule(unchangedFields, field.Resource+": "+field.Path)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", field.Path, err)
			}
			rule.pattern, rule.also = p, rule.pattern
			rules = append(rules, rule)
		}
	}
	return rules, nil
}
