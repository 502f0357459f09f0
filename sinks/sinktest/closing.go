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

// closes closes a sink while a write of it waits for an answer: the write returns, nothing
// is left of the sink, and it accepts nothing any more.
func closes(t *testing.T, s Stand) {
	if s.Open == nil {
		t.Skip("no second sink can be opened")
	}
	all := []*pipeline.Change{state("a", 1)}
	s.insist(t, all...) // what the destination needs for that, it has from now on
	s.check(t, all)
	others, sockets := goleak.IgnoreCurrent(), openSockets()
	own := s
	own.Sink = s.Open()
	closer, ok := own.Sink.(io.Closer)
	if !ok {
		t.Fatal("it is no io.Closer")
	}
	mine := state("b", 1)
	own.insist(t, mine)
	late := state("c", 1)
	ended := make(chan struct{})
	if s.Hang != nil {
		s.Hang()
		go func() {
			defer close(ended)
			own.fails(t, t.Context(), late)
		}()
		own.awaitWaits(t, ended)
	} else {
		close(ended)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := closer.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	within(t, closed, "Close has not returned")
	within(t, ended, "Write has not returned after Close")
	if s.Hang != nil {
		s.Resume()
	}
	own.fails(t, t.Context(), late)
	if err := closer.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	own.fails(t, t.Context(), late)
	if err := leaks.Find(others); err != nil {
		t.Errorf("what is left after Close: %v", err)
	}
	eventually(t, "more sockets are open after Close than before Open", func() bool { return openSockets() <= sockets })
	s.insist(t, late)
	s.check(t, append(all, mine, late))
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
