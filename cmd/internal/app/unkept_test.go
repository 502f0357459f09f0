package app

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// A resource that is watched for sinks that keep nothing of it is told, and no other one.
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
		s := parseWith(t, Options{}, append(strings.Fields(flags), "--clusters=kubeconfig:nowhere")...)
		if diff := cmp.Diff(want, s.unkept()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", flags, diff)
		}
	}
}

// forgetful accepts everything.
type forgetful struct{}

func (forgetful) Write(context.Context, []*pipeline.Change) error { return nil }

// The log of a start says so, and the check, which is no error.
func TestUnkeptResourcesAreTold(t *testing.T) {
	kind := throwAway(new(thrown))
	kind.Parse = func(*sinks.Value) (*sinks.Spec, error) {
		open := func(context.Context, sinks.Env) (pipeline.Sink, error) { return forgetful{}, nil }
		return &sinks.Spec{Identity: "forgetful", Skips: []string{"events"}, Open: open}, nil
	}
	for resource, told := range map[string]bool{"events": true, "pods": false} {
		log := &logFile{to: outputOf(t)}
		s := parseWith(t, Options{Sinks: sinks.Kinds{kind}}, "--clusters=dir:"+t.TempDir(), "--watch="+resource, "--sink=db://h/t")
		r := startLogged(t, s, newRecorder(), log)
		r.await("it has started", func() bool { return strings.Contains(log.text(), "msg=Started") })
		if got := strings.Contains(log.text(), "No sink keeps anything of resources that are watched"); got != told {
			t.Errorf("%s: whether the log tells is %v:\n%s", resource, got, log.text())
		}
		checks := map[string]*api.Check{"before a start": s.precheck(t.Context(), time.Minute)}
		if told { // once: it takes its time
			checks["running"] = must(r.program.check(t.Context(), r.program.current(), false))(t)
		}
		for when, check := range checks {
			i := slices.IndexFunc(check.Findings, func(f api.Finding) bool { return f.Code == "FL1307" })
			if (i >= 0) != told || told && (check.Findings[i].Severity != api.SeverityWarning || !strings.Contains(check.Findings[i].Cause, "anything of events")) {
				t.Errorf("%s, %s: the check finds %+v", resource, when, check.Findings)
			}
		}
	}
}
