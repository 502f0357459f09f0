package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

const shortChanges = 700

// short are the options of a short run: one fault of each kind.
func short(seed uint64) *options {
	return &options{seed: seed, members: 2, sinks: 1, ledger: ledgerShared, hostile: true, changes: shortChanges, faults: len(kinds), duration: 20 * time.Second}
}

// shortSinks are the options of a short run with several sinks.
func shortSinks(seed uint64) *options {
	o := short(seed)
	o.sinks = 3
	o.filters = true
	return o
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
	o := shortSinks(7) // in which the sink refuses something for good
	o.sink = "postgres"
	r := storm(t, o)
	ofDestination := max(len(lineKinds)+3, o.faults/3)
	if faults := len(kinds) + (o.sinks-1)*(len(furtherKinds)+1) + ofDestination; r.Changes != shortChanges || r.Faults != faults || r.Restarts < 7 {
		t.Errorf("%+v: want all the changes, a fault of each kind, and a restart after each that ends Fairlead", r)
	}
	if len(r.Sinks) != o.sinks || r.Settings == 0 {
		t.Errorf("%+v: want each sink by itself, and other settings", r)
	}
	if d := r.Destination; d == nil || d.Sink != o.sink || d.Events == 0 {
		t.Errorf("%+v: want what the destination holds", d)
	}
	if r.Hostile == 0 {
		t.Error("not one event of the hostile member: it did not do anything")
	}
	if r.Lists != 0 {
		t.Errorf("%d snapshots after restarts although the watch could have been resumed", r.Lists)
	}
}

// Whoever reads the last line must not take a run that never began for an
// older program, or for nothing.
func TestErrorBeforeTheCheck(t *testing.T) {
	errEnded := errors.New("fairlead has ended by itself")
	for _, test := range []struct {
		name, tmp string
		ended     error // before it begins
		want      string
	}{
		{"no folder for the files", filepath.Join(t.TempDir(), "missing"), nil, "make a directory"},
		{"no API servers", t.TempDir(), errEnded, errEnded.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("TMPDIR", test.tmp)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if test.ended != nil {
				cancel(test.ended)
			}
			var out bytes.Buffer
			err := play(ctx, short(1), &out)
			if err == nil {
				t.Fatal("no error")
			}
			lines := slices.Collect(bytes.Lines(out.Bytes()))
			var r result
			if err := json.Unmarshal(lines[len(lines)-1], &r); err != nil {
				t.Fatalf("the last line is no result: %v\n%s", err, out.Bytes())
			}
			if r.Seed != 1 || r.Error != err.Error() || !strings.Contains(r.Error, test.want) {
				t.Errorf("%+v, want the error %v, about %q", r, err, test.want)
			}
		})
	}
}

func TestErrorBesideTheNumbers(t *testing.T) {
	var whole, wrong result
	outlets := newOutlets("", &options{sinks: 1})
	whole.finish(outlets, []*findings{{}})
	wrong.finish(outlets, []*findings{{ByNumber: found{OutOfOrder: []string{"x"}}}})
	for _, r := range []*result{&whole, &wrong} {
		r.fail(errors.New("x"))
	}
	if whole.Error == "" || wrong.Error != "" {
		t.Errorf("%q and %q: want an error only where the numbers tell nothing", whole.Error, wrong.Error)
	}
}
