package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

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
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("follow the sink's file: %w", err)
	}
	defer func() { err = errors.Join(err, watcher.Close()) }()
	// The directory, because the file comes later; it holds little else.
	if err := watcher.Add(filepath.Dir(t.path)); err != nil {
		return fmt.Errorf("follow the sink's file: %w", err)
	}
	// Should the kernel have dropped a notice, this is when it is made up for.
	ticker := time.NewTicker(250 * time.Millisecond)
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
		case <-watcher.Events:
		case <-watcher.Errors: //nolint:errcheck // Too many notices at once: the reading above catches up.
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
