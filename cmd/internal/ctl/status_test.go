package ctl

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
)

func TestWhichClustersAreShown(t *testing.T) {
	all := &api.Status{Clusters: []api.Cluster{
		{Name: "a", State: member.Live, Labels: map[string]string{"region": "north"}},
		{Name: "b", State: member.BackingOff, Reason: "network", Labels: map[string]string{"region": "north"}},
		{Name: "c", State: member.Live},
		{Name: "d", State: member.Waiting, Reason: "unauthorized"},
	}}
	for _, test := range []struct {
		names    []string
		states   []string
		selector string
		want     []string
	}{
		{want: []string{"d", "b", "a", "c"}},
		{selector: "region=north", want: []string{"b", "a"}},
		{selector: "!region", states: []string{"live"}, want: []string{"c"}},
		{states: []string{"backing-off", "waiting"}, want: []string{"d", "b"}},
		{names: []string{"c", "b"}, want: []string{"b", "c"}},
	} {
		selected, err := labels.Parse(test.selector)
		if err != nil {
			t.Fatal(err)
		}
		clusters, err := (&statusCommand{names: test.names, states: test.states, selected: selected}).choose(all)
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, c := range clusters {
			got = append(got, c.Name)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test, diff)
		}
	}
	if _, err := (&statusCommand{names: []string{"x"}, selected: labels.Everything()}).choose(all); err == nil {
		t.Error("a cluster that there is not is shown")
	}
}

// A wait is not over while there are fewer clusters than it is told, none at all included.
func TestWaitForSoManyClusters(t *testing.T) {
	live := func(names ...string) *api.Status {
		s := &api.Status{Ledger: api.Ledger{Status: ledger.Status{Healthy: true}}}
		for _, name := range names {
			s.Clusters = append(s.Clusters, api.Cluster{Name: name, State: member.Live, Labels: map[string]string{"of": name[:1]}, Ledger: api.InLedger{Healthy: true}})
		}
		return s
	}
	for _, test := range []struct {
		atLeast  int
		selector string
		status   *api.Status
		want     bool
	}{
		{1, "", live(), false},
		{1, "", live("a1"), true},
		{3, "", live("a1", "b1"), false},
		{3, "", live("a1", "b1", "b2"), true},
		{3, "of=b", live("a1", "b1", "b2"), false},
		{2, "of=b", live("a1", "b1", "b2"), true},
	} {
		selected, err := labels.Parse(test.selector)
		if err != nil {
			t.Fatal(err)
		}
		s := &statusCommand{atLeast: test.atLeast, selector: test.selector, selected: selected, wait: "live", states: []string{"waiting"}}
		if got := s.isThere(test.status); got != test.want {
			t.Errorf("at least %d of %q, of %d clusters: %t", test.atLeast, test.selector, len(test.status.Clusters), got)
		}
	}
}
