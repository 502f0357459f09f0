package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/sources/stream"
)

func TestSettings(t *testing.T) {
	for seed := range uint64(50) {
		s, again := newSettings(seed, 3), newSettings(seed, 3)
		before := wide(3)
		took, put, selected := 0, 0, 0
		for range 20 {
			now := s.next()
			if diff := cmp.Diff(fmt.Sprint(now), fmt.Sprint(again.next())); diff != "" {
				t.Fatalf("seed %d gives two settings:\n%s", seed, diff)
			}
			if now.out[0] {
				t.Errorf("seed %d: the first sink is taken out", seed)
			}
			changed := 0
			for i := range now.out {
				if now.out[i] != before.out[i] {
					changed++
					if now.out[i] {
						took++
					} else {
						put++
					}
				}
			}
			for i := range now.selected {
				if now.selected[i] != before.selected[i] {
					changed++
					selected++
				}
			}
			if changed > 1 {
				t.Errorf("seed %d: %v after %v", seed, now, before)
			}
			before = now
		}
		if took == 0 || put == 0 || selected == 0 {
			t.Errorf("seed %d: in 20 restarts %d sinks taken out, %d put back, %d other selections", seed, took, put, selected)
		}
	}
}

// What a seed means for one sink does not depend on there being more.
func TestSettingsOfOneSink(t *testing.T) {
	s := newSettings(1, 1)
	for range 20 {
		if now := s.next(); !now.equal(wide(1)) {
			t.Errorf("%v", now)
		}
	}
}

func TestSelections(t *testing.T) {
	for _, s := range selections {
		spec, err := stream.ParseSpec(s.watch("secrets"))
		if err != nil || spec.Resource != "secrets" || (selection{spec.Namespace, spec.Labels}) != s {
			t.Errorf("%q means %v, %v", s.watch("secrets"), spec, err)
		}
	}
	if narrow(2).equal(wide(2)) || narrow(2).selected[1] != selections[3] {
		t.Errorf("%v is not as little as there may be", narrow(2))
	}
}
