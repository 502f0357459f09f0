package lines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// As a child process, started by one of the tests.
	for name, run := range map[string]func(string) error{crashPath: writeUntilKilled, limitPath: writePastALimit} {
		if path := os.Getenv(name); path != "" {
			if err := run(path); err != nil {
				fmt.Println(err)
			}
			return // without running any test
		}
	}
	goleak.VerifyTestMain(m)
}

// scripted takes as many bytes as each step says, then fails.
type scripted struct {
	bytes.Buffer
	steps []int
	calls int
}

var errBroken = errors.New("broken")

func (s *scripted) Write(p []byte) (int, error) {
	s.calls++
	if len(s.steps) == 0 {
		return s.Buffer.Write(p)
	}
	n := min(s.steps[0], len(p))
	s.steps = s.steps[1:]
	s.Buffer.Write(p[:n])
	return n, errBroken
}

func text(s string) func([]byte) []byte {
	return func(dst []byte) []byte { return append(dst, s...) }
}

func TestATornLineIsContinued(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []int
		want  string
	}{
		{"nothing goes wrong", nil, "one\ntwo\n"},
		{"nothing was written", []int{0}, "one\ntwo\n"},
		{"cut in the first line", []int{2}, "one\none\ntwo\n"},
		{"cut before the line end", []int{3}, "one\none\ntwo\n"},
		{"cut between lines", []int{4}, "one\none\ntwo\n"},
		{"cut in the last line", []int{6}, "one\ntwo\none\ntwo\n"},
		{"cut before the last line end", []int{7}, "one\ntwo\none\ntwo\n"},
		{"cut twice in one line", []int{1, 1}, "one\none\ntwo\n"},
		{"cut, then nothing, then on", []int{1, 0, 0}, "one\none\ntwo\n"},
		{"cut, then cut in the next copy", []int{1, 4}, "one\none\none\ntwo\n"},
		{"failed though all was written", []int{8}, "one\ntwo\none\ntwo\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := &scripted{steps: tt.steps}
			w := NewWriter(out)
			tries := 0
			for w.Write(t.Context(), text("one\ntwo\n")) != nil {
				tries++
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" || tries != len(tt.steps) {
				t.Errorf("after %d tries (-want +got):\n%s", tries, diff)
			}
			if out.calls != tries+1 {
				t.Errorf("%d calls of Write for %d tries", out.calls, tries+1)
			}
		})
	}
}

// dribble takes at most three bytes at a time and does not say why.
type dribble struct{ bytes.Buffer }

func (d *dribble) Write(p []byte) (int, error) { return d.Buffer.Write(p[:min(3, len(p))]) }

type stuck struct{}

func (stuck) Write([]byte) (int, error) { return 0, nil }

func TestShortWritesWithoutAnError(t *testing.T) {
	out := &dribble{}
	if err := NewWriter(out).Write(t.Context(), text("0123456789\n")); err != nil || out.String() != "0123456789\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := NewWriter(stuck{}).Write(t.Context(), text("x\n")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a writer that takes nothing: %v, want ErrShortWrite", err)
	}
	if err := NewWriter(stuck{}).Write(t.Context(), text("")); err != nil {
		t.Errorf("nothing to write: %v", err)
	}
}

func TestABlockedWriterIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, pipe := io.Pipe()
		w := NewWriter(pipe)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Write(ctx, text("one\n")) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Write = %v", err)
		}
		if err := w.Write(ctx, text("never\n")); !errors.Is(err, context.Canceled) {
			t.Errorf("Write with an ended context = %v", err)
		}
		// The next one waits for the first and does not touch its buffer.
		go func() { done <- w.Write(t.Context(), text("two\n")) }()
		synctest.Wait()
		got := make([]byte, len("one\ntwo\n"))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != "one\ntwo\n" {
			t.Errorf("read %q, %v", got, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestReadersSeeWholeLines writes through random failures: every line that
// comes out is one that went in.
func TestReadersSeeWholeLines(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	out := &scripted{}
	w := NewWriter(out)
	for batch := range 2000 {
		var p strings.Builder
		for i := range random.IntN(4) {
			p.WriteString(strings.Repeat(string(rune('a'+i)), 5) + "\n")
		}
		for range random.IntN(4) {
			out.steps = append(out.steps, random.IntN(20))
		}
		for w.Write(t.Context(), text(p.String())) != nil {
		}
		for line := range strings.Lines(out.String()) {
			if len(line) != 6 || strings.Count(line, line[:1]) != 5 {
				t.Fatalf("batch %d: line %q", batch, line)
			}
		}
		if !strings.HasSuffix(out.String(), p.String()) {
			t.Fatalf("batch %d is not the last thing written", batch)
		}
		out.Reset()
		out.steps = nil
	}
}
