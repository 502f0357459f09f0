package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Which of several replicas begins when, nobody decides: so each process notes for
// itself where in the sink's file it begins, and what the ledger held then. It has both
// for itself when it opens the sink, and has not written yet.

// beginning is a line of these notes.
type beginning struct {
	Pid    int    `json:"pid"`
	Offset int64  `json:"offset"` // of its first event
	Ledger string `json:"ledger"` // path of the copy
}

// noted is the file with the path of the ledger that is to be copied; there is none if
// nothing is to be noted.
func (c control) noted() string      { return filepath.Join(c.dir, "note") }
func (c control) beginnings() string { return filepath.Join(c.dir, "beginnings.jsonl") }

// note has processes note their beginnings.
func (c control) note(ledger string) error { return replaceFile(c.noted(), ledger) }

// begins notes that this process begins, if that is to be noted.
func (c control) begins() error {
	path, err := os.ReadFile(c.noted())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("note where this process begins: %w", err)
	}
	b := beginning{Pid: os.Getpid()}
	if b.Offset, err = wholeEvents(c.sink()); err != nil {
		return fmt.Errorf("note where this process begins: %w", err)
	}
	b.Ledger = filepath.Join(c.dir, fmt.Sprintf("ledger-at-%d-%d", b.Offset, b.Pid))
	if err := copyFile(string(path), b.Ledger); err != nil {
		return fmt.Errorf("note where this process begins: %w", err)
	}
	line, err := json.Marshal(b)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.beginnings(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("note where this process begins: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// readRuns returns the processes' parts in a sink, in their order.
func readRuns(o *outlet, r *records) ([]*run, error) {
	text, err := os.ReadFile(o.control.beginnings())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read where processes have begun: %w", err)
	}
	refused, err := readRefusals(o.control.refused())
	if err != nil {
		return nil, err
	}
	var runs []*run
	for line := range bytes.Lines(text) {
		var b beginning
		if json.Unmarshal(line, &b) != nil {
			continue // a kill has torn it; then the process has written nothing
		}
		stored, err := readLedger(b.Ledger)
		if err != nil {
			return nil, fmt.Errorf("read what the ledger held when process %d began: %w", b.Pid, err)
		}
		part := &run{Offset: b.Offset, Stored: o.stored(stored), Asked: map[string]bool{}}
		if len(runs) > 0 {
			part.Owed = r.owed(part.Stored, refused, filter{})
		}
		runs = append(runs, part)
	}
	return runs, nil
}
