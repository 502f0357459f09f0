package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// What nobody could know without a ledger is no fault, and all else is.
func TestCheckTerms(t *testing.T) {
	of := func(term, word string) string {
		return strings.Replace(event(word), `"term":"00000000000000000001"`, `"term":"0000000000000000000`+term+`"`, 1)
	}
	object := func(uid string) replay.Object {
		return replay.Object{Cluster: "c", Resource: "configmaps", Namespace: "ns", Name: "n", UID: uid}
	}
	path := filepath.Join(t.TempDir(), "sink")
	for _, test := range []struct {
		name, text                       string
		held                             map[replay.Object]string
		missing, ghosts, order, oldTerms int
	}{
		{name: "all again", text: of("1", "A1@1") + of("1", "A2@2") + of("2", "A2@3"), held: map[replay.Object]string{object("A"): "2"}},
		{name: "gone meanwhile", text: of("1", "A1@1") + of("2", "B3@2"), held: map[replay.Object]string{object("B"): "3"}},
		{name: "gone, and not told", text: of("1", "A1@1") + of("2", "A1@2"), ghosts: 1},
		{name: "missing", text: of("1", "A1@1"), held: map[replay.Object]string{object("A"): "2"}, missing: 1},
		{name: "backwards", text: of("1", "A2@1") + of("1", "A1@2") + of("1", "A2@3"), held: map[replay.Object]string{object("A"): "2"}, order: 1},
		{name: "late", text: of("1", "A1@1") + of("2", "A2@2") + of("1", "A1@3") + of("2", "A2@4"), held: map[replay.Object]string{object("A"): "2"}, oldTerms: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := checkTerms(evidence{path: path, held: test.held, clusters: []string{"c"}})
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Missing) != test.missing || len(f.Ghosts) != test.ghosts || len(f.OutOfOrder) != test.order || len(f.OldTerms) != test.oldTerms {
				t.Errorf("%+v", f)
			}
		})
	}
}
