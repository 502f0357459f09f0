package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

const (
	watchEvery = 2 * time.Second // between two reads of --watch
	waitEvery  = time.Second     // of --wait
)

// follow draws what print writes again and again, until the context ends, with a time in
// between. The error of print it tells below that, and goes on; that of the last one it
// returns. One that would be the same again, such as that of a flag, ends it at once.
func follow(cmd *cobra.Command, every time.Duration, print func(frame io.Writer) error) error {
	screen := newScreen(cmd.OutOrStdout())
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last error
	for {
		var frame bytes.Buffer
		err := print(&frame)
		if cmd.Context().Err() != nil {
			return last
		}
		last = err
		if _, ok := errors.AsType[*pointlessError](err); ok {
			return last
		}
		if said := errors.Unwrap(last); said != nil {
			fmt.Fprintln(&frame, "fairlead:", said)
		}
		if err := screen.draw(frame.String()); err != nil {
			return err
		}
		tick.Reset(every)
		select {
		case <-tick.C:
		case <-cmd.Context().Done():
			return last
		}
	}
}

// await waits until all clusters are in the state that is asked for, and prints the status.
// It could not ask if the last try has failed.
func (s *statusCommand) await(cmd *cobra.Command) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), s.timeout)
	defer cancel()
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	var status *api.Status // the last one
	var failed error       // of the last try
	for {
		now, err := s.client.Clusters(ctx, io.Discard)
		if err == nil {
			_, err = s.choose(now)
		}
		if _, ok := errors.AsType[*pointlessError](err); ok {
			return Unasked(err)
		}
		if err == nil {
			status = now
		}
		if ctx.Err() == nil || status == nil && failed == nil { // else it has failed because the time is over
			failed = err
		}
		if err == nil && s.isThere(now) {
			return s.end(s.print(cmd.OutOrStdout(), now))
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		how := fmt.Sprintf("waited %v", s.timeout)
		if cmd.Context().Err() != nil {
			how = "interrupted"
		}
		if failed != nil {
			return Unasked(fmt.Errorf("%s: %w", how, failed))
		}
		if end, ok := errors.AsType[*ExitError](s.print(cmd.OutOrStdout(), status)); ok && end.Code == ExitUnasked {
			return end
		}
		if all, err := s.all(status); err == nil && len(all) < s.atLeast {
			return &ExitError{ExitProblem, fmt.Errorf("%s, and there are %d clusters of at least %d", how, len(all), s.atLeast)}
		}
		return &ExitError{ExitProblem, fmt.Errorf("%s, and not all is %s", how, s.wait)}
	}
}

// end is that of a wait that has come to what was asked for: with another state than live,
// that clusters are not live is no problem.
func (s *statusCommand) end(err error) error {
	if end, ok := errors.AsType[*ExitError](err); ok && end.Code == ExitProblem {
		return nil
	}
	return err
}

// all returns the clusters that are asked for, also those that --state does not show.
func (s *statusCommand) all(status *api.Status) ([]api.Cluster, error) {
	all := *s
	all.states = nil
	return all.choose(status)
}

// isThere reports whether there are so many clusters that are asked for, all in that state. Those
// of other states count, too: --state chooses what is shown. For all to be live, all have
// to be known: each source of clusters has been read.
func (s *statusCommand) isThere(status *api.Status) bool {
	clusters, err := s.all(status)
	if err != nil || len(clusters) < s.atLeast {
		return false
	}
	if s.wait == "live" {
		if slices.ContainsFunc(status.Sources, func(f api.Source) bool { return !f.Known }) {
			return false
		}
		return len(problemsOf(status, time.Now())) == 0 && !slices.ContainsFunc(clusters, func(c api.Cluster) bool { return !isWell(&c) })
	}
	return !slices.ContainsFunc(clusters, func(c api.Cluster) bool { return !isIn(&c, s.wait) })
}

// screen is what --watch writes to: a terminal is drawn over, without clearing it first,
// so that nothing flickers; to anything else each frame is appended.
type screen struct {
	to    io.Writer
	size  func() (width, height int) // of the terminal, in characters; nil: it is none
	drawn bool
}

func newScreen(to io.Writer) *screen {
	s := &screen{to: to}
	if f, ok := to.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		s.size = func() (width, height int) {
			if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width, height
			}
			return 80, 24
		}
	}
	return s
}

// draw writes a frame. Of one that is longer than the terminal it shows the beginning and
// the last line; lines are cut to its width.
func (s *screen) draw(frame string) error {
	if s.size == nil {
		if s.drawn {
			frame = "\n" + frame
		}
		s.drawn = true
		_, err := io.WriteString(s.to, frame)
		return err
	}
	lines := strings.Split(strings.TrimSuffix(frame, "\n"), "\n")
	width, height := s.size()
	if most := max(height-1, 3); len(lines) > most {
		left := len(lines) - most + 1
		lines = append(slices.Clone(lines[:most-2]), fmt.Sprintf("... %d lines more", left), lines[len(lines)-1])
	}
	for i, line := range lines {
		if r := []rune(line); len(r) > width {
			lines[i] = string(r[:width])
		}
	}
	const home, endOfLine, endOfScreen, clear = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[2J"
	begin := home
	if !s.drawn {
		begin = clear + home
	}
	s.drawn = true
	_, err := io.WriteString(s.to, begin+strings.Join(lines, endOfLine+"\n")+endOfLine+"\n"+endOfScreen)
	return err
}
