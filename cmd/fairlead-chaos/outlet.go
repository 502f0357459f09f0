package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// outlet is one --sink, from its first process to its last.
type outlet struct {
	name    string // in the plan and the result
	control control
	filter  filter
	// runs are all processes' parts in it, also of those that did not have it.
	runs []*run

	// What it does until the writers have stopped and all others have everything.
	shuns string // a member
	hangs bool
}

// run is one process's part in a sink.
type run struct {
	// Offset is where its events begin in the sink's file; Stored is what the ledger
	// held then, and Owed what the sink must have had because of that.
	Offset int64
	Stored []ledger.Dump
	Owed   []owed
	// Asked has the members that have been asked to be replayed: the program may
	// still be about it.
	Asked map[string]bool
}

// newOutlets returns so many. The first one's files are in dir itself.
func newOutlets(dir string, o *options) []*outlet {
	all := []*outlet{{name: theSink, control: control{dir}}}
	for i := 1; i < o.sinks; i++ {
		name := fmt.Sprintf("%s-%d", theSink, i+1)
		all = append(all, &outlet{name: name, control: control{filepath.Join(dir, name)}, filter: o.filterOf(i)})
	}
	return all
}

// flag is the value of --sink, route the name of its route.
func (o *outlet) flag() string  { return o.route() + o.filter.parameters() }
func (o *outlet) route() string { return sinkScheme + ":" + o.control.dir }

// stored returns what of a ledger is about this sink.
func (o *outlet) stored(all []ledger.Dump) []ledger.Dump {
	return slices.DeleteFunc(slices.Clone(all), func(d ledger.Dump) bool { return d.ID.Route != o.route() })
}

// shun makes it refuse all changes of a member until relent, and with whole all batches with
// such a change.
func (o *outlet) shun(member string, whole bool) error {
	o.shuns = member
	return o.control.setShunned(member, whole)
}

// hang makes it take nothing until relent.
func (o *outlet) hang() error {
	o.hangs = true
	return o.control.setFault(sinkStalls)
}

// relent makes it take everything.
func (o *outlet) relent() error {
	o.hangs, o.shuns = false, ""
	if err := o.control.setFault(""); err != nil {
		return err
	}
	return o.control.setShunned("", false)
}
