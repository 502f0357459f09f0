package election

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fence{timing: usual}
		if err := f.check(time.Now()); !errors.Is(err, errNotLeading) || f.held() {
			t.Errorf("check = %v before the first renewal", err)
		}
		term, lose := context.WithCancelCause(t.Context())
		f.watch(lose)
		f.lose(errTaken)
		if term.Err() != nil {
			t.Error("a follower has lost what it did not have")
		}
		for range 100 {
			began := time.Now()
			time.Sleep(time.Second) // the answer
			f.renew(began, time.Now())
			time.Sleep(8*time.Second - 1)
		}
		// It counts from the beginning of the request.
		time.Sleep(time.Second)
		if err := f.check(time.Now()); err != nil || f.left(time.Now()) != 1 {
			t.Fatalf("check = %v, %v left", err, f.left(time.Now()))
		}
		time.Sleep(time.Nanosecond)
		if err := f.check(time.Now()); !errors.Is(err, ErrLost) || !errors.Is(context.Cause(term), ErrLost) {
			t.Errorf("check = %v, the term's cause is %v", err, context.Cause(term))
		}
		f.renew(time.Now(), time.Now())
		if err := f.check(time.Now()); !errors.Is(err, ErrLost) || f.held() {
			t.Errorf("check = %v: a renewal has revived what was lost", err)
		}
		time.Sleep(5*time.Second - 1)
		if err := f.checkLease(time.Now()); err != nil {
			t.Errorf("checkLease = %v, although nobody else can lead yet", err)
		}
		time.Sleep(time.Nanosecond)
		if err := f.checkLease(time.Now()); !errors.Is(err, ErrLost) {
			t.Errorf("checkLease = %v", err)
		}
	})
}

// A process that was stopped, and goes on in the middle of things, asks before
// anything else has noticed; and what renews asks before it renews.
func TestFenceOfAStoppedProcess(t *testing.T) {
	for name, wake := range map[string]func(f *fence) error{
		"acts":   func(f *fence) error { return f.check(time.Now()) },
		"stores": func(f *fence) error { return f.checkLease(time.Now()) },
		"renews": func(f *fence) error {
			f.renew(time.Now(), time.Now())
			return f.check(time.Now())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fence{timing: usual}
				f.renew(time.Now(), time.Now())
				time.Sleep(time.Minute)
				if err := wake(f); !errors.Is(err, ErrLost) {
					t.Errorf("%v, a minute after the last renewal", err)
				}
			})
		})
	}
}

// The monotonic clock stands still while the machine sleeps.
func TestFenceGoesByTheWallClockToo(t *testing.T) {
	renewed := time.Now()
	awake := renewed.Round(0).Add(time.Hour) // says nothing of the monotonic clock
	if got := age(renewed, awake); got != time.Hour {
		t.Errorf("age = %v, want an hour", got)
	}
}

func TestTiming(t *testing.T) {
	for want, timing := range map[string]Timing{
		"":                {15 * time.Second, 10 * time.Second, 2 * time.Second},
		"lease duration":  {15500 * time.Millisecond, 10 * time.Second, 2 * time.Second},
		"retry period":    {15 * time.Second, 10 * time.Second, 0},
		"renew deadline":  {15 * time.Second, 15 * time.Second, 2 * time.Second},
		"times the retry": {15 * time.Second, 10 * time.Second, 9 * time.Second},
	} {
		err := timing.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want one about %q", timing, err, want)
		}
		if _, e := New(timing, &client{hub: &hub{}, identity: "a"}, discard); (e == nil) != (err == nil) {
			t.Errorf("%+v: New says %v", timing, e)
		}
	}
}
