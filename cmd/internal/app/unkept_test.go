package app

import (
	"strings"
	"testing"
)

// A resource that is watched by name for sinks that keep nothing of it is refused, and no other
// one.
func TestUnkeptResources(t *testing.T) {
	const hub = "hub:records?kubeconfig=nowhere"
	for flags, want := range map[string][]string{
		"--watch=events --sink=" + hub:                                       {"events"},
		"--watch=event,events.events.k8s.io?namespace=a --sink=" + hub:       {"event", "events.events.k8s.io?namespace=a"},
		"--watch=records.records.fairlead.dev,pods --sink=" + hub:            {"records.records.fairlead.dev"},
		"--watch=pods,records,events.example.com,*.apps --sink=" + hub:       nil,
		"--watch=* --sink=" + hub:                                            nil,
		"--watch=events --sink=stdout: --sink=" + hub:                        nil,
		"--watch=events --sink=stdout:":                                      nil,
		"--watch=events --sink=" + hub + "&name=a --sink=" + hub + "&name=b": {"events"},
	} {
		_, err := parseFlags(t, append(strings.Fields(flags), "--clusters=kubeconfig:nowhere")...)
		if (err == nil) != (want == nil) {
			t.Errorf("%s: %v", flags, err)
			continue
		}
		for _, resource := range want {
			if says := "--watch: " + resource + ": no sink keeps anything of it"; !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %q", flags, err, says)
			}
		}
		if err != nil && strings.Count(err.Error(), "no sink keeps anything") != len(want) {
			t.Errorf("%s: %v", flags, err)
		}
	}
}

// A rule of a sink that is for a resource of which it keeps nothing is refused.
func TestRulesForUnkeptResources(t *testing.T) {
	for rule, refused := range map[string]bool{
		"where=events: object.type == 'Warning'":           true,
		"drop=events.events.k8s.io:metadata.managedFields": true,
		"where=*: object.metadata.name != 'events'":        false,
		"where=pods: true":                                 false,
		"only=data.events":                                 false,
		"where=records.example.com:true":                   false,
	} {
		_, err := parseFlags(t, "--clusters=kubeconfig:nowhere", "--watch=*", "--sink=stdout:", "--sink=hub:records?kubeconfig=nowhere&"+rule)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "--sink: hub:records: it has a rule for events") {
			t.Errorf("%s: %v", rule, err)
		}
	}
}
