package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestStopChild(t *testing.T) {
	for _, test := range []struct {
		behaviour string
		grace     time.Duration
		want      string // in the error; none if empty
	}{
		{behaviour: "obedient", grace: time.Minute},
		{behaviour: "failing", grace: time.Minute, want: "exit status 3 after SIGTERM"},
		{behaviour: "short-lived", grace: time.Minute, want: "by itself with exit status 4"},
		{behaviour: "deaf", grace: time.Millisecond, want: "was killed"},
	} {
		t.Run(test.behaviour, func(t *testing.T) {
			t.Setenv(childEnv, test.behaviour)
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			c, err := startChild(self, nil, filepath.Join(t.TempDir(), "log"))
			if err != nil {
				t.Fatal(err)
			}
			if test.behaviour == "short-lived" {
				<-c.exited
			} else {
				// It handles signals from when it has written this.
				err := waitUntil(t.Context(), time.Millisecond, func() error {
					if !strings.Contains(c.logTail(), "child is") {
						return errors.New("not yet")
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			err = c.stop(test.grace)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "child is "+test.behaviour) {
				t.Errorf("error is %v, want one with %q and the log", err, test.want)
			}
		})
	}
}

func TestStartChildThatIsNotThere(t *testing.T) {
	if _, err := startChild("/nowhere/fairlead", nil, filepath.Join(t.TempDir(), "log")); err == nil {
		t.Error("no error")
	}
}

func TestWaitUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errNotYet, errTooLate := errors.New("not yet"), errors.New("too late")
		calls := 0
		begun := time.Now()
		err := waitUntil(t.Context(), time.Second, func() error {
			if calls++; calls < 4 {
				return errNotYet
			}
			return nil
		})
		if err != nil || time.Since(begun) != 3*time.Second {
			t.Errorf("%v after %v, want none after 3s", err, time.Since(begun))
		}

		ctx, cancel := context.WithTimeoutCause(t.Context(), 2500*time.Millisecond, errTooLate)
		defer cancel()
		err = waitUntil(ctx, time.Second, func() error { return errNotYet })
		if !errors.Is(err, errTooLate) || !errors.Is(err, errNotYet) {
			t.Errorf("error is %v, want both reasons", err)
		}
	})
}

func TestFreeAddresses(t *testing.T) {
	addresses, err := freeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	if len(addresses) != 3 || addresses[0] == addresses[1] || addresses[1] == addresses[2] || addresses[0] == addresses[2] {
		t.Error(addresses)
	}
}
