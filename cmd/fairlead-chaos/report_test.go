package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// Whatever one sink makes one consumer hold wrongly fails the run, also if it does
// so at one time only.
func TestEachZeroCounts(t *testing.T) {
	outlets := newOutlets("", &options{sinks: 3})
	one := []string{"x"}
	for name, wrong := range map[string]findings{
		"missing":                {found: found{Difference: replay.Difference{Missing: one}}},
		"ghost":                  {found: found{Difference: replay.Difference{Ghosts: one}}},
		"out of order":           {found: found{OutOfOrder: one}},
		"missing by number":      {ByNumber: found{Difference: replay.Difference{Missing: one}}},
		"ghost by number":        {ByNumber: found{Difference: replay.Difference{Ghosts: one}}},
		"out of order by number": {ByNumber: found{OutOfOrder: one}},
		"missing_intents":        {MissingIntents: one},
		"skipped":                {Skipped: one},
		"replayed":               {Replayed: one},
	} {
		if len(wrong.problems()) != 1 {
			t.Errorf("%s: problems %q", name, wrong.problems())
		}
		for sink := range outlets {
			all := []*findings{{}, {}, {}}
			all[sink] = &wrong
			var r result
			r.finish(outlets, all)
			if err := r.err(); err == nil || !strings.Contains(err.Error(), "1 ") {
				t.Errorf("%s of sink %d in the end: %v", name, sink, err)
			}
			if name == "missing_intents" || strings.HasPrefix(name, "skip") || strings.HasPrefix(name, "repl") {
				continue // these stay wrong
			}
			var before result
			before.add(outlets[sink], &wrong)
			before.finish(outlets, []*findings{{}, {}, {}})
			if err := before.err(); err == nil {
				t.Errorf("%s of sink %d before the end: no error", name, sink)
			}
		}
	}
	var r result
	r.finish(outlets, []*findings{{}, {}, {}})
	if err := r.err(); err != nil {
		t.Errorf("nothing is wrong, and yet: %v", err)
	}
	text, err := lab.Line(&r)
	if err != nil {
		t.Fatal(err)
	}
	var line struct {
		Missing *int
		Sinks   []struct {
			Sink    string
			Missing *int
			ByID    *zeros `json:"by_id"`
		}
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil || line.Missing == nil || len(line.Sinks) != 3 || line.Sinks[2].Missing == nil || line.Sinks[2].ByID == nil {
		t.Errorf("the line lacks zeros: %v\n%s", err, text)
	}
	if diff := cmp.Diff([]string{"sink", "sink-2", "sink-3"}, []string{line.Sinks[0].Sink, line.Sinks[1].Sink, line.Sinks[2].Sink}); diff != "" {
		t.Error(diff)
	}
}
