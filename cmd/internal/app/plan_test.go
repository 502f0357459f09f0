package app

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// cursor describes one of sink a, in cluster c.
func cursor(resource, namespace string, change func(*ledger.Description)) ledger.Description {
	d := ledger.Description{
		ID:      ledger.StreamID{Cluster: "c", ClusterUID: "u", Resource: resource, Namespace: namespace, Route: "a"},
		Objects: 5, ResumePoint: "7", Form: "whole of v1", Selection: ledger.Selection{Namespace: namespace},
		Meaning: ledger.Meaning{Name: resource, Version: "v1", Kind: "K", Namespaced: true},
	}
	if change != nil {
		change(&d)
	}
	return d
}

func TestPlan(t *testing.T) {
	pods := cursor("pods", "", nil)
	for _, x := range []struct {
		what    string
		flags   []string
		cursors []ledger.Description
		want    []string
	}{
		{"nothing is known", []string{"--watch=pods"}, nil, nil},
		{"as before", []string{"--watch=pods"}, []ledger.Description{pods}, []string{"a c pods unchanged 0 0"}},
		{"by its short name", []string{"--watch=po"}, []ledger.Description{cursor("pods", "", func(d *ledger.Description) { d.Meaning.Name = "po" })},
			[]string{"a c pods unchanged 0 0"}},
		{"in one namespace", []string{"--watch=pods?namespace=n"}, []ledger.Description{pods},
			[]string{"a c pods goes elsewhere 0 up to 5", "a c pods n new ? 0"}},
		{"as metadata", []string{"--watch=pods?mode=metadata"}, []ledger.Description{pods}, []string{"a c pods delivered again 5 0"}},
		{"by a selector", []string{"--watch=pods?labelSelector=a"}, []ledger.Description{pods}, []string{"a c pods snapshot 0 up to 5"}},
		{"a selector of an interrupted snapshot", []string{"--watch=pods?labelSelector=a"},
			[]ledger.Description{cursor("pods", "", func(d *ledger.Description) { d.ResumePoint = "" })}, []string{"a c pods delivered again up to 5 up to 5"}},
		{"no resume point", []string{"--watch=pods"},
			[]ledger.Description{cursor("pods", "", func(d *ledger.Description) { d.ResumePoint = "" })}, []string{"a c pods snapshot 0 0"}},
		{"due already", []string{"--watch=pods"},
			[]ledger.Description{cursor("pods", "", func(d *ledger.Description) { d.Redeliver = 2 })}, []string{"a c pods delivered again 2 0"}},
		{"of a cluster that has left", []string{"--watch=pods"},
			[]ledger.Description{cursor("pods", "", func(d *ledger.Description) { d.Left = time.Unix(1, 0) })}, []string{"a c pods cluster has left 0 0"}},
		{"a wildcard", []string{"--watch=*"}, []ledger.Description{pods, cursor("events", "", nil)},
			[]string{"a c events taken leave of 0 5", "a c pods unchanged 0 0"}},
		{"another sink of a wildcard", []string{"--watch=*", "--sink=stdout:?name=b"}, []ledger.Description{pods},
			[]string{"a c pods unchanged 0 0", "b c pods new 5 0"}},
		{"by the cluster's labels", []string{"--watch=pods", "--where=pods: has(cluster.labels.x)"}, []ledger.Description{pods},
			[]string{"a c pods snapshot 0 up to 5"}},
	} {
		s := parseWith(t, Options{}, append(x.flags, "--sink=stdout:?name=a")...)
		content := newPlanContent("memory:", must(newPlanner(s, nil))(t).plan(x.cursors))
		var got []string
		for _, l := range content.Lines {
			got = append(got, strings.Join(strings.Fields(fmt.Sprint(l.Sink, " ", l.Cluster, " ", l.Resource, " ", l.Namespace, " ", l.Action, " ", l.Deliver, " ", l.Delete)), " "))
			if strings.Contains(x.what, "labels") && !strings.Contains(l.Why, labelsNoted) {
				t.Errorf("%s: why %q", x.what, l.Why)
			}
		}
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", x.what, diff)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for err, want := range map[error]int{nil: 0, errPlanned: 2, errors.New("x"): 1} {
		if got := ExitCode(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}
