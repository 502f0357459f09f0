package main

import (
	"strconv"
	"testing"
)

// regressions are seeds that have failed once, with what failed. They run in the
// short form.
var regressions = []struct {
	seed uint64
	why  string
}{
	{seed: 2, why: "an object that was deleted and created again right before a kill was told to be deleted after it, and then there again"},
}

func TestRegressions(t *testing.T) {
	for _, r := range regressions {
		t.Run(strconv.FormatUint(r.seed, 10), func(t *testing.T) {
			t.Log(r.why)
			storm(t, short(r.seed))
		})
	}
}
