package app

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
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

// A rule for what a sink keeps nothing of is of no use, and no reason not to start.
func TestRulesForUnkeptResources(t *testing.T) {
	for _, rule := range []string{"where=events: object.type == 'Warning'", "drop=events.events.k8s.io:note"} {
		if _, err := parseFlags(t, "--clusters=kubeconfig:nowhere", "--watch=*", "--sink=stdout:", "--sink=hub:records?kubeconfig=nowhere&"+rule); err != nil {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

// A check before a start tells of it beside all else that it finds.
func TestPrecheckOfUnkeptResources(t *testing.T) {
	flags := []string{"--clusters=kubeconfig:nowhere", "--watch=pods,events", "--sink=hub:records?kubeconfig=nowhere", "--ledger=memory:"}
	out, err := command(t, append([]string{"check", "--pre", "--timeout=2s", "-o=json"}, flags...)...)
	var found api.Check
	if decodeErr := json.Unmarshal([]byte(out), &found); decodeErr != nil {
		t.Fatalf("%v\n%s\n%v", decodeErr, out, err)
	}
	codes := map[string]api.Finding{}
	for _, f := range found.Findings {
		codes[f.Code] = f
	}
	unkept, others := codes["FL1307"], len(codes)
	if unkept.Severity != api.SeverityError || !strings.Contains(unkept.Cause, "anything of events") || others < 2 {
		t.Errorf("it finds %+v", found.Findings)
	}
	if exit, is := errors.AsType[*ctl.ExitError](err); !is || exit.Code != ctl.ExitProblem {
		t.Errorf("it ends with %v", err)
	}
}
