package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// result is the last line that the demo prints.
type result struct {
	Clusters  int `json:"clusters"`  // members of the fleet; the hub is none
	Objects   int `json:"objects"`   // that the members hold at the end
	Changes   int `json:"changes"`   // writes that the members accepted
	Delivered int `json:"delivered"` // events in the sink

	Missing    int `json:"missing"`
	Ghosts     int `json:"ghosts"`
	OutOfOrder int `json:"out_of_order"`

	QuietP99    *float64 `json:"quiet_p99_ms"`
	FloodingP99 *float64 `json:"flooding_p99_ms"`
}

// errNotEqual ends the demo when the sink and the API servers disagree.
var errNotEqual = errors.New("the sink does not hold what the API servers hold, or not in order")

// verdict is the result, and in words what is wrong.
type verdict struct {
	result
	wrong []string
}

// check reads the sink's whole file again and compares it with what the API
// servers hold. It shares nothing with what was counted while the file grew.
func check(path string, held map[replay.Object]string) (*verdict, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the sink's file again: %w", err)
	}
	defer file.Close() //nolint:errcheck // Read only.
	state := replay.New()
	if err := state.Read(file); err != nil {
		return nil, fmt.Errorf("read the sink's file again: %w", err)
	}
	difference := state.Compare(held)
	v := &verdict{result: result{
		Objects:    len(held),
		Delivered:  state.Events,
		Missing:    len(difference.Missing),
		Ghosts:     len(difference.Ghosts),
		OutOfOrder: len(state.OutOfOrder),
	}}
	v.list("missing", difference.Missing)
	v.list("ghost", difference.Ghosts)
	v.list("out of order", state.OutOfOrder)
	return v, nil
}

// compare adds what another sink lacks, or has too much.
func (v *verdict) compare(sink string, d replay.Difference) {
	v.Missing += len(d.Missing)
	v.Ghosts += len(d.Ghosts)
	v.list(sink+", missing", d.Missing)
	v.list(sink+", ghost", d.Ghosts)
}

// list adds what is wrong, or the beginning of it.
func (v *verdict) list(what string, all []string) {
	for _, one := range lab.Some(all) {
		v.wrong = append(v.wrong, what+": "+one)
	}
}

// err returns errNotEqual if anything is wrong.
func (v *verdict) err() error {
	if len(v.wrong) > 0 {
		return errNotEqual
	}
	return nil
}

// words returns the counts as people say them.
func (v *verdict) words() string {
	if len(v.wrong) == 0 {
		return "nothing missing, no ghosts, nothing out of order"
	}
	return fmt.Sprintf("missing %d, ghosts %d, out of order %d", v.Missing, v.Ghosts, v.OutOfOrder)
}

// text returns what is wrong, a line each.
func (v *verdict) text() string { return "  " + strings.Join(v.wrong, "\n  ") }
