package ctl

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
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
