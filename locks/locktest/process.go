package locktest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/election"
)

// Stand takes part in an election, in a process of its own that [Backend].Process has
// started: in is its standard input, and out its standard output. It returns when in
// ends, or nobody wants it for two minutes.
func Stand(l resourcelock.Interface, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	connect(ctx, l)
	e, err := election.New(timing, l, logr.Discard())
	if err != nil {
		return err
	}
	return e.Run(ctx, func(context.Context, context.Context) (bool, error) {
		_, _ = fmt.Fprintln(out, "leads", e.Token()) // who reads it sees that it is missing
		for questions := bufio.NewScanner(in); questions.Scan(); {
			answer := "yes"
			if e.MayAct() != nil {
				answer = "no"
			}
			_, _ = fmt.Fprintln(out, answer)
		}
		return false, nil
	})
}

// running is a process that stands.
type running struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // what it says; closed when it says no more
}

// start starts a process, which is killed with the test.
func start(t testing.TB, cmd *exec.Cmd) *running {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a process that stands: %v", err)
	}
	p := &running{cmd: cmd, in: in, lines: make(chan string, 16)}
	go func() {
		defer close(p.lines)
		for said := bufio.NewScanner(out); said.Scan(); {
			p.lines <- said.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		for range p.lines {
		}
		_ = cmd.Wait() // killed
	})
	return p
}

// say returns the next line that the process says, or why there is none.
func (p *running) say() (string, error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", errors.New("the process has ended")
		}
		return line, nil
	case <-limit.C:
		return "", fmt.Errorf("the process says nothing for %v", patience)
	}
}

// leads waits until the process leads, and returns its token.
func (p *running) leads(t testing.TB) uint64 {
	t.Helper()
	line, err := p.say()
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(line, "leads ")
	token, err := strconv.ParseUint(text, 10, 64)
	if !ok || err != nil {
		t.Fatalf("the process says %s: it does not call Stand", shown(line))
	}
	return token
}

// processesEnd: one that is killed, and one that is stopped and goes on when another
// leads. The second finds that out before it acts: its fence says so, whatever its lock
// knew before.
func processesEnd(t testing.TB, backend New) {
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		b := backend(t)
		if b.Process == nil {
			t.Skip("the backend says of no process")
		}
		processEnds(t, b, s)
	}
}

func processEnds(t testing.TB, b Backend, s syscall.Signal) {
	defer b.slots.take(cap(b.slots))()
	p := start(t, b.Process(t, "process"))
	before := p.leads(t)
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	next := join(t, b, "next")
	if !await(next.led) {
		t.Errorf("nobody leads %v after %v to the leader: %s", patience, s, next.Status().LastError)
	}
	if now := next.Token(); now <= before {
		t.Errorf("after %v the next one leads with the token %d, after one with %d", s, now, before)
	}
	if s == syscall.SIGSTOP {
		goesOnAndStays(t, p)
	}
	next.stop()
	<-next.ended
	if next.err != nil && !errors.Is(next.err, election.ErrLost) { // as it may on a slow machine
		t.Errorf("after %v the next one ends with %v", s, next.err)
	}
}

// goesOnAndStays has a stopped process go on, and checks that it does not act.
func goesOnAndStays(t testing.TB, p *running) {
	t.Helper()
	_, err := fmt.Fprintln(p.in, "may you act?") // the first that it finds to do
	if err == nil {
		err = p.cmd.Process.Signal(syscall.SIGCONT)
	}
	line := ""
	if err == nil {
		line, err = p.say()
	}
	if err != nil || line != "no" {
		t.Errorf("a process that was stopped, and goes on when another leads, says of whether it may act: %s (%v), want no", shown(line), err)
	}
}
