package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// journal tells what was done when, as lines of JSON, for people who look into a
// failure.
type journal struct {
	mu   sync.Mutex
	file *os.File
	err  error // the first
}

// entry is one line.
type entry struct {
	Time   string `json:"time"` // of day
	Writes int    `json:"writes"`
	Did    string `json:"did"`
	Fault  *fault `json:"fault,omitempty"`
	// Offsets are those in the sinks' files.
	Offsets []int64 `json:"offsets,omitempty"`
	Setting string  `json:"setting,omitempty"`
	Run     int     `json:"run,omitempty"`
	// Of a write:
	Object  string `json:"object,omitempty"`
	UID     string `json:"uid,omitempty"`
	Version string `json:"version,omitempty"`
	Colour  string `json:"colour,omitempty"`
	Error   string `json:"error,omitempty"`
}

func newJournal(path string) (*journal, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return &journal{file: file}, nil
}

// write adds a line. Its error is close's.
func (j *journal) write(e entry) {
	e.Time = time.Now().UTC().Format("15:04:05.000000")
	text, err := json.Marshal(e)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		_, err = j.file.Write(append(text, '\n'))
	}
	if j.err == nil {
		j.err = err
	}
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.file.Close()
	if j.err != nil {
		err = j.err
	}
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}
