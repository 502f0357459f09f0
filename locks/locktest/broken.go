package locktest

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/retry"
)

// Breakable is a Backend that can be made to fail: to refuse connections, to be
// silent, or to refuse its clients' credentials.
type Breakable struct {
	Backend
	// Break makes the backend fail, for all of its clients.
	Break func(t testing.TB)
	// Repair ends that. What was on its way meanwhile may still arrive.
	Repair func(t testing.TB)
	// Secrets are texts that no error may hold: passwords, tokens, keys.
	Secrets []string
}

var brokenRules = []struct {
	name  string
	check func(testing.TB, Breakable)
}{
	{"no answer is no outcome", noAnswer},
	{"it goes on once repaired", goesOn},
}

// RunBroken runs what a lock must do while its backend fails, one subtest for each
// rule. Call it for each way in which the backend can fail.
func RunBroken(t *testing.T, backend func(t testing.TB) Breakable) {
	for _, r := range brokenRules {
		t.Run(r.name, func(t *testing.T) { r.check(t, backend(t)) })
	}
}

// deadline is how long calls to a broken backend are given.
const deadline = 300 * time.Millisecond

// fails checks that a call ends with its context, and how.
func (b Breakable) fails(t testing.TB, what string, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	err := inTime(t, what, func() error { return call(ctx) })
	refused(t, what+" while the backend fails", err, "another error")
	if err == nil {
		return
	}
	for _, secret := range b.Secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error of %s holds a secret: %s", what, strings.ReplaceAll(err.Error(), secret, "..."))
		}
	}
}

// noAnswer: NotFound would have the elector make the record anew, success would
// have it act, and AlreadyExists and Conflict say that the backend is well.
func noAnswer(t testing.TB, b Breakable) {
	l, other := b.Open(t, "a"), b.Open(t, "b")
	create(t, l, held("a"))
	get(t, other)
	b.Break(t)
	// First: after a write of unknown outcome a lock may refuse to update until Get.
	b.fails(t, "Update", func(ctx context.Context) error { return l.Update(ctx, renewed(held("a"), time.Second)) })
	b.fails(t, "Update", func(ctx context.Context) error { return other.Update(ctx, held("b")) })
	for _, l := range []resourcelock.Interface{l, other, b.Open(t, "new")} {
		b.fails(t, "Get", func(ctx context.Context) error {
			_, _, err := l.Get(ctx)
			return err
		})
		b.fails(t, "Create", func(ctx context.Context) error { return l.Create(ctx, held(l.Identity())) })
	}
	b.Repair(t)
}

// goesOn: after an Update of which nobody knows whether it arrived, Get tells.
func goesOn(t testing.TB, b Breakable) {
	l := b.Open(t, "a")
	r := held("a")
	create(t, l, r)
	b.Break(t)
	r = renewed(r, time.Second)
	b.fails(t, "Update", func(ctx context.Context) error { return l.Update(ctx, r) })
	b.Repair(t)
	r = renewed(r, time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		got, _, err := l.Get(ctx)
		if err == nil && got.HolderIdentity != "a" {
			t.Errorf("%s holds the record, and nobody but a has written", shown(got.HolderIdentity))
			return
		}
		if err == nil {
			err = l.Update(ctx, r)
		}
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Errorf("still failing once the backend is repaired: %v", err)
			return
		}
		if outcome(err) != "Conflict" { // with what has arrived late
			_ = retry.Sleep(ctx, deadline)
		}
	}
	holds(t, r, b.Open(t, "b"))
}
