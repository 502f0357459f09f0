package app

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

// closed is a lock that notes that it was closed.
type closed struct {
	resourcelock.Interface
	n *int
}

func (c closed) Close() error { *c.n++; return nil }

// withLock adds a kind to the table for a test: locks on one record in memory.
func withLock(t *testing.T) (record *locktest.Memory, closes *int) {
	record, closes = &locktest.Memory{}, new(int)
	before := lockKinds
	t.Cleanup(func() { lockKinds = before })
	lockKinds = append(slices.Clone(before), locks.Kind{
		Form: locks.Form{Scheme: "memory", Usage: "memory:", Summary: "a record in this process", Rest: locks.Nothing},
		Parse: func(*locks.Value) (locks.Spec, error) {
			return locks.Spec{Identity: "memory:", Open: func(_ context.Context, env locks.Env) (resourcelock.Interface, error) {
				return closed{record.Lock(env.Identity), closes}, nil
			}}, nil
		},
	})
	return record, closes
}

// hungLock is a lock that does not close.
type hungLock struct {
	resourcelock.Interface
	until chan struct{}
}

func (l hungLock) Close() error { <-l.until; return nil }

func TestALockThatDoesNotCloseKeepsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := make(chan struct{})
		defer close(until)
		p := &program{lock: hungLock{new(locktest.Memory).Lock("a"), until}, log: logr.Discard()}
		p.closeLock()
	})
}

func TestTheTableOfLocksIsSound(t *testing.T) {
	if err := locks.NewTable(lockKinds).Validate(); err != nil {
		t.Error(err)
	}
}

// TestAnyLockElects: a kind that the table gains is all that it takes, and there
// need be no hub.
func TestAnyLockElects(t *testing.T) {
	record, closes := withLock(t)
	dir := t.TempDir()
	members := filepath.Join(dir, "members")
	writeFile(t, members, oneContext)
	run := func() (term uint64) {
		s := parseWith(t, Options{}, "--clusters=kubeconfig:"+members, "--watch=pods", "--ledger="+filepath.Join(dir, "ledger"), "--sink=file:"+filepath.Join(dir, "events"),
			"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0",
			"--leader-elect", "--leader-elect-lock=memory:", "--leader-election-retry-period=10ms", "--hub-kubeconfig="+members)
		p := must(newProgram(t.Context(), s, t.Output(), newLogger(outputOf(t), "info", "text"), prometheus.NewRegistry()))(t)
		if p.hub != nil {
			t.Error("the hub is loaded, which nothing needs")
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- p.run(ctx) }()
		select {
		case <-p.started:
		case err := <-ended:
			t.Fatalf("it does not lead: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return p.term
	}
	first, second := run(), run()
	if second <= first {
		t.Errorf("the second process delivers in term %d, after one in %d", second, first)
	}
	got, _, err := record.Lock("looks").Get(t.Context())
	if err != nil || got.HolderIdentity != "" || got.LeaderTransitions != 1 || *closes != 2 {
		t.Errorf("the record is %+v (%v), closed %d times; want it released, and each lock closed", got, err, *closes)
	}
}

// TestTwoSinksOnOneFile: a leader does not wait for itself to let go.
func TestTwoSinksOnOneFile(t *testing.T) {
	withLock(t)
	dir := t.TempDir()
	members, one := filepath.Join(dir, "members"), filepath.Join(dir, "one")
	writeFile(t, members, oneContext)
	for _, second := range []string{"--sink=file:" + one + "?name=second", "--sink=file:" + dir + "/./one", "--dead-letter=" + one} {
		s := parseWith(t, Options{}, "--clusters=kubeconfig:"+members, "--watch=pods", "--ledger=memory:", "--sink=file:"+one, second,
			"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0",
			"--leader-elect", "--leader-elect-lock=memory:", "--leader-election-retry-period=10ms")
		p := must(newProgram(t.Context(), s, t.Output(), newLogger(outputOf(t), "info", "text"), prometheus.NewRegistry()))(t)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := p.run(ctx); err == nil || !strings.Contains(err.Error(), "this program writes to it already") {
			t.Errorf("%s: %v", second, err)
		}
		cancel()
	}
}

// TestTheLockThatIsMeant: the flags about the Lease mean what they meant before
// there were others.
func TestTheLockThatIsMeant(t *testing.T) {
	withLock(t)
	for _, tc := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--leader-elect", "--leader-election-namespace=ns"}, "lease:ns/fairlead"},
		{[]string{"--leader-elect", "--leader-election-namespace=ns", "--leader-election-id=other"}, "lease:ns/other"},
		{[]string{"--leader-elect", "--leader-elect-lock=lease:", "--leader-election-namespace=ns"}, "lease:ns/fairlead"},
		{[]string{"--leader-elect", "--leader-elect-lock=lease:a/b"}, "lease:a/b"}, // also where there is no Pod
		{[]string{"--leader-elect", "--leader-elect-lock=memory:"}, "memory:"},
		{nil, ""},
	} {
		s, err := parseFlags(t, append([]string{"--watch=pods"}, tc.flags...)...)
		if err != nil || s.lock.Identity != tc.want {
			t.Errorf("%v: %v, lock %q, want %q", tc.flags, err, s.lock.Identity, tc.want)
		}
	}
	for _, other := range []string{"id=x", "namespace=ns"} {
		_, err := parseFlags(t, "--watch=pods", "--leader-elect", "--leader-elect-lock=lease:a/b", "--leader-election-"+other)
		if name, _, _ := strings.Cut(other, "="); err == nil || !strings.Contains(err.Error(), "leave out --leader-election-"+name) {
			t.Errorf("a Lease in two flags: %v", err)
		}
	}
	for flag, want := range map[string]string{
		"leader-elect-lock=":             "lease:NAMESPACE/NAME",
		"leader-elect-lock=leese:a/b":    "did you mean lease?",
		"leader-elect-lock=lease:a":      "lease:NAMESPACE/NAME",
		"leader-elect-lock=lease:A/b":    "cannot be a namespace",
		"leader-elect-lock=memory:?a=b":  "a is unknown",
		"leader-elect-lock=memory:again": "nothing may follow",
	} {
		for _, elect := range []string{"--leader-elect=true", "--leader-elect=false"} {
			_, err := parseFlags(t, "--watch=pods", elect, "--"+flag)
			if err == nil || !strings.Contains(err.Error(), "--leader-elect-lock: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%s --%s: %v, want an error with %q", elect, flag, err, want)
			}
		}
	}
}
