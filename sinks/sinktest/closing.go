package sinktest

import (
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// closes closes a sink that has written, and one of which a write waits for an answer.
// That write returns, nothing is left of either, and they accept nothing any more.
func closes(t *testing.T, s Stand) {
	if s.Open == nil {
		t.Skip("no second sink can be opened")
	}
	all := []*pipeline.Change{state("a", 1)}
	Insist(t, s.Sink, all...) // what the destination needs for that, it has from now on
	s.check(t, all)
	others, sockets := goleak.IgnoreCurrent(), openSockets()

	idle := s
	idle.Sink = s.Open()
	Insist(t, idle.Sink, state("b", 1))
	idle.close(t)
	late := state("c", 1)
	idle.fails(t, t.Context(), late)
	idle.close(t) // once more
	nothingIsLeft(t, others, sockets)

	if s.Hang != nil {
		busy := s
		busy.Sink = s.Open()
		Insist(t, busy.Sink, state("d", 1))
		s.Hang()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			busy.fails(t, t.Context(), late)
		}()
		busy.awaitWaits(t, ended)
		busy.close(t)
		within(t, ended, "Write has not returned after Close")
		s.Resume()
		nothingIsLeft(t, others, sockets)
		all = append(all, state("d", 1))
	}
	Insist(t, s.Sink, late)
	s.check(t, append(all, state("b", 1), late))
}

func (s *Stand) close(t *testing.T) {
	t.Helper()
	closer, ok := s.Sink.(io.Closer)
	if !ok {
		t.Fatal("it is no io.Closer")
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := closer.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	within(t, closed, "Close has not returned")
}

// nothingIsLeft waits until there are no goroutines but others, and as few sockets.
func nothingIsLeft(t *testing.T, others goleak.Option, sockets int) {
	t.Helper()
	if err := leaks.Find(others); err != nil {
		t.Errorf("what is left after Close: %v", err)
	}
	eventually(t, "more sockets are open after Close than before Open", func() bool { return openSockets() <= sockets })
}

// openSockets returns how many sockets this process has open, 0 where nobody can tell.
func openSockets() (n int) {
	const own = "/proc/self/fd/"
	all, err := os.ReadDir(own)
	if err != nil {
		return 0
	}
	for _, file := range all {
		if to, err := os.Readlink(own + file.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
