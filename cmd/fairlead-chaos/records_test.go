package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

func TestOwed(t *testing.T) {
	object := replay.Object{Cluster: "c", Resource: "configmaps", Namespace: "ns", Name: "n"}
	for _, test := range []struct {
		name    string
		written []string // "" is a deletion
		resume  string
		refused string
		want    string
	}{
		{name: "nothing written", resume: "5"},
		{name: "no resume point", written: []string{"3"}},
		{name: "not passed", written: []string{"6"}, resume: "5"},
		{name: "passed", written: []string{"3", "5", "6"}, resume: "5", want: "5"},
		{name: "deleted on one side or the other", written: []string{"3", "", "7"}, resume: "5"},
		{name: "refused", written: []string{"3", "5"}, resume: "5", refused: "5"},
		{name: "refused before", written: []string{"3", "5"}, resume: "5", refused: "3", want: "5"},
		{name: "created again before", written: []string{"3", "", "5", "6"}, resume: "5", want: "5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRecords()
			for _, version := range test.written {
				r.add(object, version)
			}
			got := r.owed([]ledger.Dump{{ID: ledger.StreamID{Cluster: "c", Resource: "configmaps"}, Resume: test.resume}}, []refusal{{object, test.refused}})
			var want []owed
			if test.want != "" {
				want = []owed{{object, test.want}}
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(owed{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
