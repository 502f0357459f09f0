package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/file"
)

// comparingPoll is how often it is looked whether another process has finished its write.
const comparingPoll = 5 * time.Millisecond

// comparing is a destination of several processes at a time, which compares terms. To
// compare and to append is one step: a process has the file locked for both.
type comparing struct{ control control }

// compares is the file whose presence says that the sink is such a one, term that with
// the highest term of a write that it took, and late that with those that it refused.
func (c control) compares() string { return filepath.Join(c.dir, "compares") }
func (c control) term() string     { return filepath.Join(c.dir, "term") }
func (c control) late() string     { return filepath.Join(c.dir, "late") }

// setCompares has processes open such a sink from now on.
func (c control) setCompares() error { return replaceFile(c.compares(), "") }

// readTerm returns the highest term of a write that the sink took, 0 if there was none.
func (c control) readTerm() (uint64, error) {
	text, err := os.ReadFile(c.term())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the highest term: %w", err)
	}
	return strconv.ParseUint(string(text), 10, 64)
}

// lateWrites returns how many writes the sink has refused.
func (c control) lateWrites() (int, error) {
	text, err := os.ReadFile(c.late())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read what came late: %w", err)
	}
	return strings.Count(string(text), "\n"), nil
}

// Write takes a batch, unless a later term's was taken before.
func (s comparing) Write(ctx context.Context, batch []*pipeline.Change) (err error) {
	if len(batch) == 0 {
		return nil
	}
	to, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	term := batch[0].Origin.Term // all of a process are of one
	highest, err := s.control.readTerm()
	if err != nil {
		return err
	}
	if term < highest {
		return errors.Join(fmt.Errorf("%w: %d, and this is of %d", pipeline.ErrOldTerm, highest, term), s.refused(term, highest))
	}
	if term > highest {
		if err := replaceFile(s.control.term(), strconv.FormatUint(term, 10)); err != nil {
			return err
		}
	}
	return to.Write(ctx, batch)
}

// open waits until no other process writes.
func (s comparing) open(ctx context.Context) (*file.Sink, error) {
	for {
		to, err := file.Open(s.control.sink())
		if !errors.Is(err, spec.ErrInUse) {
			return to, err
		}
		if err := retry.Sleep(ctx, comparingPoll); err != nil {
			return nil, err
		}
	}
}

// refused notes a write that came late.
func (s comparing) refused(term, highest uint64) error {
	f, err := os.OpenFile(s.control.late(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("note what came late: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d after %d\n", term, highest)
	return errors.Join(err, f.Close())
}
