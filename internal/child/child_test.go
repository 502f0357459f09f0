package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childEnv turns this test program into a child with a behaviour.
const childEnv = "FAIRLEAD_TEST_CHILD"

func TestMain(m *testing.M) {
	behaviour := os.Getenv(childEnv)
	if behaviour == "" {
		goleak.VerifyTestMain(m)
		return
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	fmt.Println("child is", behaviour)
	switch behaviour {
	case "obedient":
		<-asked
	case "failing":
		<-asked
		os.Exit(3) //nolint:forbidigo // It is the child that exits.
	case "short-lived":
		os.Exit(4) //nolint:forbidigo // It is the child that exits.
	case "deaf":
		select {}
	}
}

// start starts a child, which handles signals when it returns.
func start(t *testing.T, behaviour string) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+behaviour)
	p, err := Start("the child", cmd, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	deadline := time.After(time.Minute)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !strings.Contains(p.LogTail(), "child is") {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("the child says nothing")
		}
	}
	return p
}

func TestStop(t *testing.T) {
	for _, test := range []struct {
		behaviour string
		grace     time.Duration
		want      string // in the error; none if empty
	}{
		{behaviour: "obedient", grace: time.Minute},
		{behaviour: "failing", grace: time.Minute, want: "the child ended with exit status 3 after SIGTERM"},
		{behaviour: "deaf", grace: time.Millisecond, want: "the child had not ended 1ms after SIGTERM and was killed"},
	} {
		t.Run(test.behaviour, func(t *testing.T) {
			p := start(t, test.behaviour)
			if !p.Running() {
				t.Error("it does not run")
			}
			err := p.Stop(test.grace)
			if p.Running() {
				t.Error("it still runs")
			}
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "| child is "+test.behaviour) {
				t.Errorf("error is %v, want one with %q and the log", err, test.want)
			}
		})
	}
}

func TestEndedByItself(t *testing.T) {
	p := start(t, "short-lived")
	<-p.Exited()
	if err := p.Stop(time.Minute); err == nil || !strings.Contains(err.Error(), "the child ended by itself with exit status 4") {
		t.Error(err)
	}
	if p.EndedBy(syscall.SIGKILL) {
		t.Error("it was killed")
	}
}

// A paused child ends all the same.
func TestPausedAndKilled(t *testing.T) {
	p := start(t, "obedient")
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(time.Minute); err != nil {
		t.Error(err)
	}
	killed := start(t, "obedient")
	if err := killed.Kill(); err != nil || !killed.EndedBy(syscall.SIGKILL) || killed.EndedBy(syscall.SIGTERM) {
		t.Errorf("it was not killed: %v", err)
	}
	if err := errors.Join(killed.Kill(), killed.Signal(syscall.SIGTERM)); err != nil {
		t.Errorf("signals to one that has ended: %v", err)
	}
}

func TestNone(t *testing.T) {
	if _, err := Start("nobody", exec.Command("/nowhere/fairlead"), filepath.Join(t.TempDir(), "log")); err == nil || !strings.Contains(err.Error(), "start nobody") {
		t.Errorf("a program that is not there: %v", err)
	}
	var p *Process
	if p.Running() || p.Stop(time.Minute) != nil || p.Kill() != nil || p.Signal(syscall.SIGTERM) != nil {
		t.Error("what was never started runs")
	}
}
