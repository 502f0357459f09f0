package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// plainEvery is how often the members' lines are printed where no table can be
// redrawn.
const plainEvery = 5 * time.Second

// screen shows lines of text, and below them, on a terminal, a table that is
// redrawn in place. Elsewhere its rows become lines now and then, while they
// change. Its methods may be called concurrently.
type screen struct {
	start    time.Time
	terminal bool
	width    func() int // columns of the terminal

	mu    sync.Mutex
	out   io.Writer
	table []string  // what stands at the bottom of the terminal
	plain time.Time // when rows were last printed
	said  []string  // the rows that were
}

func newScreen(out *os.File) *screen {
	fd := int(out.Fd())
	return &screen{
		start:    time.Now(),
		terminal: term.IsTerminal(fd) && os.Getenv("TERM") != "dumb",
		width: func() int {
			width, _, err := term.GetSize(fd)
			if err != nil {
				return 80
			}
			return width
		},
		out: out,
	}
}

// say prints a line with the time before it.
func (s *screen) say(format string, args ...any) {
	s.print(clock(time.Since(s.start)) + "  " + fmt.Sprintf(format, args...))
}

// print prints text above the table.
func (s *screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(s.erase() + text + "\n" + s.bottom())
}

// show brings the table up to date.
func (s *screen) show(rows []row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		erase := s.erase()
		s.table = drawTable(rows, s.width())
		s.write(erase + s.bottom())
		return
	}
	lines := plainRows(rows)
	if now := time.Now(); now.Sub(s.plain) >= plainEvery && !slices.Equal(lines, s.said) {
		for _, line := range lines {
			s.write(clock(now.Sub(s.start)) + "  " + line + "\n")
		}
		s.plain, s.said = now, lines
	}
}

// leave lets the table stand where it is; what comes next is below it.
func (s *screen) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table = nil
}

// erase returns what moves the cursor up to where the table begins, and clears
// from there.
func (s *screen) erase() string {
	if len(s.table) == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", len(s.table))
}

// bottom returns the table as it stands at the bottom.
func (s *screen) bottom() string {
	if len(s.table) == 0 {
		return ""
	}
	return strings.Join(s.table, "\n") + "\n"
}

// write writes at once, so that the terminal shows no half of it. There is
// nobody to tell that the screen is gone: the demo goes on for its exit code.
func (s *screen) write(text string) { _, _ = io.WriteString(s.out, text) }

// clock shows the seconds since the demo started.
func clock(d time.Duration) string { return fmt.Sprintf("%4ds", int(d.Seconds())) }
