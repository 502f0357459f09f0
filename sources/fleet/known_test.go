package fleet

import (
	"context"
	"path/filepath"
	"testing"
)

// A fleet is known once all of it has been read and nothing is wrong with it.
func TestKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	h := newHarness(t, "kubeconfig:"+path)
	is := func(when string, want bool) {
		t.Helper()
		if got := h.Known(); got != want {
			t.Errorf("%s: known is %v", when, got)
		}
	}
	is("nothing has been read", false)
	h.settle()
	is("the file is missing", false)
	write(t, path, kubeconfig("a", "b"))
	h.settle()
	is("it is there", true)
	write(t, path, "no kubeconfig")
	h.settle()
	is("it is broken, and the last good one counts", false)
	write(t, path, kubeconfig("a"))
	h.settle()
	is("it is mended", true)
}

// untold is a source that learns of its clusters by itself; complete is when it has.
type untold struct{ complete *bool }

func (untold) String() string                                    { return "told:" }
func (p untold) NewScanner() Scanner                             { return p }
func (untold) Scan() []Description                               { return nil }
func (untold) Follow(ctx context.Context, _ Env, _ func()) error { <-ctx.Done(); return nil }

// completer is untold that says so.
type completer struct{ untold }

func (p completer) NewScanner() Scanner { return p }
func (p completer) Complete() bool      { return *p.complete }

func TestKnownWaitsForWhatIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	write(t, path, kubeconfig("a"))
	providers, err := Parse([]string{"kubeconfig:" + path})
	if err != nil {
		t.Fatal(err)
	}
	complete := true
	silent := newHarnessOf(t, append(providers, untold{})...)
	silent.settle()
	if silent.Known() {
		t.Error("known although a source does not tell")
	}
	h := newHarnessOf(t, append(providers, completer{untold{&complete}})...)
	complete = false
	h.settle()
	if h.Known() {
		t.Error("known before a source has been read")
	}
	complete = true
	h.settle()
	if !h.Known() {
		t.Error("not known although all has been read")
	}
}
