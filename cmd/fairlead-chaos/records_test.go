package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

func TestOwed(t *testing.T) {
	for _, test := range []struct {
		name    string
		written []string // "" is a deletion; a version with "b" behind it is blue, others are red; "?" before it was tried before
		outside bool     // of the first namespace
		many    bool     // selections
		resume  string
		refused string
		filter  filter
		noted   string // in the ledger, before it was delivered
		want    string
	}{
		{name: "nothing written", resume: "5"},
		{name: "no resume point", written: []string{"3"}},
		{name: "not passed", written: []string{"6"}, resume: "5"},
		{name: "passed", written: []string{"3", "5", "6"}, resume: "5", want: "5"},
		{name: "deleted on one side or the other", written: []string{"3", "", "7"}, resume: "5"},
		{name: "refused", written: []string{"3", "5"}, resume: "5", refused: "5"},
		{name: "refused before", written: []string{"3", "5"}, resume: "5", refused: "3", want: "5"},
		{name: "blue, with one selection", written: []string{"3b"}, resume: "5", want: "3"},
		{name: "outside, with one selection", written: []string{"3"}, outside: true, resume: "5", want: "3"},
		{name: "always selected", written: []string{"3"}, many: true, resume: "5", want: "3"},
		{name: "selected at times, for its colour", written: []string{"2", "3b", "7"}, many: true, resume: "5"},
		{name: "selected at times, for its namespace", written: []string{"3"}, outside: true, many: true, resume: "5"},
		{name: "a later state was noted", written: []string{"3", "5", "7"}, resume: "6", noted: "7"},
		{name: "a state was noted, and passed", written: []string{"3", "5"}, resume: "6", noted: "5", want: "5"},
		{name: "the first of its colour", written: []string{"1b", "3", "5", "6"}, filter: filter{changed: true}, resume: "5", want: "3"},
		{name: "the first since it was created", written: []string{"1", "", "3", "5"}, filter: filter{changed: true}, resume: "5", want: "3"},
		{name: "of an unknown colour before", written: []string{"1b", "3", "?5"}, filter: filter{changed: true}, resume: "5"},
		{name: "not of the filter", written: []string{"3", "5b"}, filter: filter{where: true}, resume: "5"},
		{name: "created again before", written: []string{"3", "", "5", "6"}, resume: "5", want: "5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			object := replay.Object{Cluster: "c", Resource: "configmaps", Namespace: writtenTo[0], Name: "n"}
			if test.outside {
				object.Namespace = writtenTo[1]
			}
			r := newRecords(test.many)
			for _, version := range test.written {
				version, again := strings.CutPrefix(version, "?")
				version, isBlue := strings.CutSuffix(version, "b")
				colour := red
				if isBlue {
					colour = blue
				}
				r.add(object, version, colour, again)
			}
			got := r.owed([]ledger.Dump{{
				ID: ledger.StreamID{Cluster: "c", Resource: "configmaps"}, Resume: test.resume,
				Objects: map[ledger.Name]ledger.DumpedObject{{Namespace: object.Namespace, Name: object.Name}: {Intended: test.noted}},
			}}, []refusal{{object, test.refused}}, test.filter)
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
