package main

import (
	"errors"
	"fmt"
	"slices"
)

// result is the last line.
type result struct {
	Seed    uint64 `json:"seed"`
	Changes int    `json:"changes"` // writes that the servers accepted
	Faults  int    `json:"faults"`
	// Of all sinks and consumers together.
	zeros
	Duplicates     int `json:"duplicates"`
	Restarts       int `json:"restarts"`
	Lists          int `json:"lists_after_restart"`
	MissingIntents int `json:"missing_intents"`
	Skipped        int `json:"skipped"`
	Replayed       int `json:"replayed"`
	Refused        int `json:"refused"` // by the sinks, for good
	Resent         int `json:"resent"`
	OldTerms       int `json:"old_terms"` // events of an earlier term after one of a later
	LateWrites     int `json:"late_writes,omitempty"`
	Events         int `json:"events"`
	Hostile        int `json:"hostile_events"` // of the member that lies
	Seconds        int `json:"seconds"`
	// Settings is how often sinks were taken out or put back, or another selection
	// was made.
	Settings int `json:"settings,omitempty"`
	// Failovers has the seconds for which nobody delivered, by the fault of the leader.
	Failovers map[kind][]float64 `json:"failover_seconds,omitempty"`
	// Sinks has each by itself.
	Sinks []sinkResult `json:"sinks,omitempty"`
	// Destination is what the one of --sink holds in the end.
	Destination *sinkResult `json:"destination,omitempty"`
	// Error is what went wrong that the numbers do not tell. Without a check they
	// mean nothing.
	Error string `json:"error,omitempty"`

	checked bool
}

// zeros are what there must be none of.
type zeros struct {
	Missing    int `json:"missing"`
	Ghosts     int `json:"ghosts"`
	OutOfOrder int `json:"out_of_order"`
}

func (z zeros) any() bool { return z != zeros{} }

// sinkResult is what one sink's events make of three consumers: one that takes them
// as they come, one that drops for ever what it had, and one that orders by number.
type sinkResult struct {
	Sink string `json:"sink"`
	zeros
	ByID     zeros `json:"by_id"`
	ByNumber zeros `json:"by_number"`
	Events   int   `json:"events"`
	Out      int   `json:"out,omitempty"` // processes that it was no sink of
	// DeadLetters are changes that a destination has refused for good: there must be none.
	DeadLetters int `json:"dead_letters,omitempty"`
	// Failovers of a destination are how often another server has taken the place of the one
	// that served, and FailoversAmid how often that was in the middle of a request.
	Failovers     int `json:"failovers,omitempty"`
	FailoversAmid int `json:"failovers_amid,omitempty"`
	// LateWrites are those of a leader that was stopped which a destination got after one
	// of the next leader, and OldTerms what it has taken of such: there must be none.
	LateWrites int `json:"late_writes,omitempty"`
	OldTerms   int `json:"old_terms,omitempty"`
}

// add takes the findings about a sink at one time. What was wrong once remains so.
func (r *result) add(o *outlet, f *findings) {
	i := 0
	for i < len(r.Sinks) && r.Sinks[i].Sink != o.name {
		i++
	}
	if i == len(r.Sinks) {
		r.Sinks = append(r.Sinks, sinkResult{Sink: o.name})
	}
	s := &r.Sinks[i]
	for _, of := range []struct {
		zeros *zeros
		found *found
	}{{&s.zeros, &f.found}, {&s.ByID, &f.ByID}, {&s.ByNumber, &f.ByNumber}} {
		z := of.zeros
		z.Missing = max(z.Missing, len(of.found.Missing))
		z.Ghosts = max(z.Ghosts, len(of.found.Ghosts))
		z.OutOfOrder = max(z.OutOfOrder, len(of.found.OutOfOrder))
	}
	s.Events = f.Events
}

// finish takes the findings about all sinks at the end.
func (r *result) finish(outlets []*outlet, all []*findings) {
	for i, f := range all {
		r.add(outlets[i], f)
		r.MissingIntents += len(f.MissingIntents)
		r.Skipped += len(f.Skipped)
		r.Replayed += len(f.Replayed)
		r.OldTerms += len(f.OldTerms)
		r.Duplicates += f.Duplicates
		r.Events += f.Events
		r.Hostile += f.Hostile
	}
	sinks := r.Sinks
	if r.Destination != nil {
		sinks = append(slices.Clone(sinks), *r.Destination)
	}
	for _, s := range sinks {
		for _, z := range []zeros{s.zeros, s.ByID, s.ByNumber} {
			r.Missing += z.Missing
			r.Ghosts += z.Ghosts
			r.OutOfOrder += z.OutOfOrder
		}
	}
	r.checked = true
}

// outside takes the findings about the destination at the end.
func (r *result) outside(name string, f *findings, letters int) {
	count := func(f *found) zeros { return zeros{len(f.Missing), len(f.Ghosts), len(f.OutOfOrder)} }
	r.Destination = &sinkResult{Sink: name, zeros: count(&f.found), ByID: count(&f.ByID), ByNumber: count(&f.ByNumber), Events: f.Events, DeadLetters: letters, OldTerms: len(f.OldTerms)}
}

// fail notes the error that ended the run, unless the numbers tell it.
func (r *result) fail(err error) {
	if err != nil && (!r.checked || r.err() == nil) {
		r.Error = err.Error()
	}
}

// err says what is wrong.
func (r *result) err() error {
	letters, oldTerms := 0, 0
	if r.Destination != nil {
		letters, oldTerms = r.Destination.DeadLetters, r.Destination.OldTerms
	}
	if !r.any() && letters+oldTerms+r.MissingIntents+r.Skipped+r.Replayed+r.Resent+r.OldTerms == 0 {
		return nil
	}
	text := fmt.Sprintf("seed %d: %d missing, %d ghosts, %d out of order, %d delivered before the ledger had their UID, %d skipped by a resume point, %d replayed unasked, %d resent after a clean stop, %d of an earlier term after a later one",
		r.Seed, r.Missing, r.Ghosts, r.OutOfOrder, r.MissingIntents, r.Skipped, r.Replayed, r.Resent, r.OldTerms)
	if letters > 0 {
		text += fmt.Sprintf("; %d dead letters of the destination", letters)
	}
	if oldTerms > 0 {
		text += fmt.Sprintf("; the destination has taken %d of an earlier term after a later one", oldTerms)
	}
	all := r.Sinks
	if r.Destination != nil {
		all = append(slices.Clone(all), *r.Destination)
	}
	for _, s := range all {
		for _, of := range []struct {
			consumer string
			zeros
		}{{"a consumer that takes all", s.zeros}, {"one that orders by number", s.ByNumber}} {
			if of.any() {
				text += fmt.Sprintf("; of %s, for %s: %d missing, %d ghosts, %d out of order", s.Sink, of.consumer, of.Missing, of.Ghosts, of.OutOfOrder)
			}
		}
	}
	return errors.New(text)
}
