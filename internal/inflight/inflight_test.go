package inflight

import (
	"context"
	"errors"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Calls
		ctx, done, err := c.Begin(t.Context())
		if err != nil || ctx.Err() != nil {
			t.Fatal(err, ctx.Err())
		}
		closed := make(chan bool, 2)
		for range 2 {
			go func() { closed <- c.Close() }()
		}
		synctest.Wait()
		if len(closed) != 0 {
			t.Error("closed while a call is under way")
		}
		if !errors.Is(context.Cause(ctx), ErrClosed) {
			t.Errorf("the call goes on: %v", context.Cause(ctx))
		}
		done()
		if a, b := <-closed, <-closed; a == b {
			t.Errorf("two say that they are the first, or none: %v, %v", a, b)
		}
		if _, _, err := c.Begin(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("a call begins after Close: %v", err)
		}
		if c.Close() {
			t.Error("a third says that it is the first")
		}
	})
}

// A call that has ended is no concern of Close, and its context ends with its caller's.
func TestEnds(t *testing.T) {
	var c Calls
	outer, cancel := context.WithCancel(t.Context())
	ctx, done, err := c.Begin(outer)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ctx.Done()
	done()
	if len(c.ends) != 0 {
		t.Errorf("%d calls are noted", len(c.ends))
	}
	if !c.Close() {
		t.Error("it was closed before")
	}
}
