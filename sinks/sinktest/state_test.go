package sinktest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/inflight"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// table is a sink that keeps what is now in memory, deletions included.
type table struct {
	mu    sync.Mutex
	rows  map[pipeline.Key]row
	away  bool
	hangs chan struct{} // closed when it goes on
	waits bool          // a write hangs
}

type row struct {
	sinks.Held
	deleted bool
}

func (s *table) Write(ctx context.Context, batch []*pipeline.Change) error {
	s.mu.Lock()
	hangs := s.hangs
	s.waits = hangs != nil
	s.mu.Unlock()
	if hangs != nil {
		select {
		case <-hangs:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errors.New("it is away")
	}
	for _, c := range batch {
		was := s.rows[c.Key]
		if c.Origin.Term > was.Term || c.Origin.Term == was.Term && c.Sequence > was.Sequence {
			s.rows[c.Key] = row{sinks.Held{
				Key: c.Key, UID: c.UID, ResourceVersion: c.ResourceVersion,
				Term: c.Origin.Term, Sequence: c.Sequence, Object: slices.Clone(c.Object),
			}, c.Op == pipeline.Deleted}
		}
	}
	return nil
}

func (s *table) read() (held []sinks.Held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if !r.deleted {
			held = append(held, r.Held)
		}
	}
	return held
}

// handle is a sink that writes to a table until it is closed.
type handle struct {
	*table
	calls inflight.Calls
}

func (h *handle) Write(ctx context.Context, batch []*pipeline.Change) error {
	ctx, done, err := h.calls.Begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return h.table.Write(ctx, batch)
}

func (h *handle) Close() error {
	h.calls.Close()
	return nil
}

func newTable() *table { return &table{rows: map[pipeline.Key]row{}} }

func TestATableConforms(t *testing.T) {
	sinktest.RunState(t, func(*testing.T) (pipeline.Sink, func() []sinks.Held) {
		s := newTable()
		return s, s.read
	})
}

func TestATableComesBack(t *testing.T) {
	sinktest.RunOutages(t, func(*testing.T) sinktest.Stand {
		s := newTable()
		set := func(away bool) func() {
			return func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.away = away
			}
		}
		return sinktest.Stand{
			Sink: s, Held: s.read, Stop: set(true), Start: set(false),
			Hang: func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.hangs = make(chan struct{})
			},
			Resume: func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				close(s.hangs)
				s.hangs, s.waits = nil, false
			},
			Waits: func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.waits
			},
			Open: func() pipeline.Sink { return &handle{table: s} },
		}
	})
}
