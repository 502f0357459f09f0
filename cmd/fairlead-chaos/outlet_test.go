package main

import (
	"testing"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// Each sink is held against its own route's cursors.
func TestStoredOfASink(t *testing.T) {
	all := []ledger.Dump{}
	outlets := newOutlets("dir", &options{sinks: 3})
	for _, o := range outlets {
		all = append(all, ledger.Dump{ID: ledger.StreamID{Cluster: "c", Route: o.flag()}, Resume: o.name})
	}
	for _, o := range outlets {
		if got := o.stored(all); len(got) != 1 || got[0].Resume != o.name {
			t.Errorf("%s: %v", o.name, got)
		}
	}
	if len(all) != 3 || all[0].Resume != theSink {
		t.Errorf("what all have has changed: %v", all)
	}
}
