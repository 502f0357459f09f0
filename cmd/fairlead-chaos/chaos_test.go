package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

const shortChanges = 700

// short are the options of a short run: one fault of each kind.
func short(seed uint64) *options {
	return &options{seed: seed, members: 2, changes: shortChanges, faults: len(kinds), duration: 20 * time.Second}
}

// storm runs chaos, and returns the result that it printed.
func storm(t *testing.T, o *options) result {
	t.Helper()
	testenv.Require(t)
	var out bytes.Buffer
	err := play(t.Context(), o, &out)
	t.Logf("\n%s", out.Bytes())
	if err != nil {
		t.Error(err)
	}
	lines := slices.Collect(bytes.Lines(out.Bytes()))
	var r result
	if err := json.Unmarshal(lines[len(lines)-1], &r); err != nil {
		t.Fatalf("the last line is no result: %v", err)
	}
	return r
}

func TestChaosShort(t *testing.T) {
	t.Parallel()
	r := storm(t, short(7)) // in which the sink refuses something for good
	if r.Changes != shortChanges || r.Faults != len(kinds) || r.Restarts < 7 {
		t.Errorf("%+v: want all the changes, a fault of each kind, and a restart after each that ends Fairlead", r)
	}
	if r.Lists != 0 {
		t.Errorf("%d snapshots after restarts although the watch could have been resumed", r.Lists)
	}
}
