package fleet

import (
	"context"
	"errors"
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

// TestASourceThatIsNotReadIsAProblem: one that says neither what there is nor why not, is
// named after a while, and what the others describe is followed meanwhile.
func TestASourceThatIsNotReadIsAProblem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	write(t, path, kubeconfig("a"))
	providers, err := Parse([]string{"kubeconfig:" + path})
	if err != nil {
		t.Fatal(err)
	}
	var complete bool
	h := newHarnessOf(t, append(providers, completer{untold{&complete}})...)
	is := func(when string, problems int, known ...bool) {
		t.Helper()
		if got := h.Problems(); len(got) != problems || problems > 0 && (got[0].Source != "told:" || !errors.Is(got[0].Err, errUnread)) {
			t.Errorf("%s: the problems are %v, want %d", when, got, problems)
		}
		for i, s := range h.Sources() {
			if s.Source != h.opts.Providers[i].String() || s.Known != known[i] {
				t.Errorf("%s: source %d is %+v, want %v", when, i, s, known[i])
			}
		}
	}
	is("nothing has been read", 0, false, false)
	h.settle()
	is("soon after the start", 0, true, false)
	h.settle()
	is("after a while", 1, true, false)
	if _, ok := h.members["a"]; !ok {
		t.Error("the other source's cluster is not followed")
	}
	complete = true
	h.pollFollowers(h.now)
	is("it has told all", 0, true, true)
}
