package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// result is the last line.
type result struct {
	Seed       uint64 `json:"seed"`
	Changes    int    `json:"changes"` // writes that the servers accepted
	Faults     int    `json:"faults"`
	Missing    int    `json:"missing"`
	Ghosts     int    `json:"ghosts"`
	OutOfOrder int    `json:"out_of_order"`
	Duplicates int    `json:"duplicates"`
	Restarts   int    `json:"restarts"`
	Lists      int    `json:"lists_after_restart"`
	Unnoted    int    `json:"unnoted"`
	Skipped    int    `json:"skipped"`
	Replayed   int    `json:"replayed"`
	Refused    int    `json:"refused"` // by the sink, for good
	Resent     int    `json:"resent"`
	Events     int    `json:"events"`
	Hostile    int    `json:"hostile_events"` // of the member that lies
	Seconds    int    `json:"seconds"`
	// Error is what went wrong that the numbers do not tell. Without a check they
	// mean nothing.
	Error string `json:"error,omitempty"`

	checked bool
}

func (r *result) add(f *findings) {
	r.Missing, r.Ghosts, r.OutOfOrder = len(f.Missing), len(f.Ghosts), len(f.OutOfOrder)
	r.Unnoted, r.Skipped, r.Replayed = len(f.Unnoted), len(f.Skipped), len(f.Replayed)
	r.Duplicates, r.Events, r.Hostile = f.Duplicates, f.Events, f.Hostile
	r.checked = true
}

// fail notes the error that ended the run, unless the numbers tell it.
func (r *result) fail(err error) {
	if err != nil && (!r.checked || r.err() == nil) {
		r.Error = err.Error()
	}
}

// err says what is wrong.
func (r *result) err() error {
	if r.Missing+r.Ghosts+r.OutOfOrder+r.Unnoted+r.Skipped+r.Replayed+r.Resent == 0 {
		return nil
	}
	return fmt.Errorf("seed %d: %d missing, %d ghosts, %d out of order, %d not noted before delivery, %d skipped by a resume point, %d replayed unasked, %d resent after a clean stop",
		r.Seed, r.Missing, r.Ghosts, r.OutOfOrder, r.Unnoted, r.Skipped, r.Replayed, r.Resent)
}

func (r *result) line() (string, error) {
	text, err := json.Marshal(r)
	return string(text), err
}

// some returns the first few lines of many, indented.
func some(lines []string) string {
	const most = 10
	text := "  " + strings.Join(lines[:min(most, len(lines))], "\n  ")
	if len(lines) > most {
		text += fmt.Sprintf("\n  and %d more", len(lines)-most)
	}
	return text
}
