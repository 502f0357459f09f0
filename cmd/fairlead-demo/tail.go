package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// tailEvery is how often the sink's file is read on. The latencies are too long by
// that at most.
const tailEvery = 2 * time.Millisecond

// tail follows the sink's file while Fairlead writes it. It knows how long each
// write took to arrive, and when everything has; what it says of that only ends
// the waiting, and the file is read again for the verdict.
type tail struct {
	path   string
	stamps *stamps

	mu        sync.Mutex
	state     *replay.State
	seen      map[string]bool // ids
	latencies map[string][]time.Duration
}

func newTail(path string, stamps *stamps) *tail {
	return &tail{
		path:      path,
		stamps:    stamps,
		state:     replay.New(),
		seen:      map[string]bool{},
		latencies: map[string][]time.Duration{},
	}
}

// run reads what is appended to the file, which may not exist yet, until ctx ends.
func (t *tail) run(ctx context.Context) (err error) {
	ticker := time.NewTicker(tailEvery)
	defer ticker.Stop()

	var file *os.File
	defer func() {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	var lines replay.Lines
	for {
		if file == nil {
			if file, err = os.Open(t.path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("follow the sink's file: %w", err)
			}
		}
		if file != nil {
			if err := lines.Read(file, t.take); err != nil {
				return fmt.Errorf("follow the sink's file: %w", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// take takes one line.
func (t *tail) take(line []byte) error {
	e, err := replay.Parse(line)
	if err != nil {
		return err
	}
	age, ok, err := t.stamps.age(&e)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Apply(e)
	// A repeat says nothing about how long the first one took.
	if id := e.Cluster + e.ID; ok && !t.seen[id] {
		t.seen[id] = true
		t.latencies[e.Cluster] = append(t.latencies[e.Cluster], age)
	}
	return nil
}

// compare compares what has arrived until now with what the API servers hold, or
// those of them that are named.
func (t *tail) compare(held map[replay.Object]string, members ...string) replay.Difference {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.Compare(held, members...)
}

// of returns the latencies of a member's writes that have arrived.
func (t *tail) of(member string) []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.latencies[member])
}
