package stream

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// openLedger opens a ledger in a file; end closes it, as the program does.
func openLedger(t *testing.T, path string) (l *ledger.Ledger, end func()) {
	t.Helper()
	store, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err = ledger.Open(t.Context(), ledger.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	l.Join("real")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return l, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// put writes a ConfigMap, deletes it if value is empty, and returns its new
// version.
func (r *realStream) put(namespace, name, value string) string {
	r.t.Helper()
	objects := r.client.Resource(configMaps).Namespace(namespace)
	if value == "" {
		if err := objects.Delete(r.t.Context(), name, metav1.DeleteOptions{}); err != nil {
			r.t.Fatal(err)
		}
		return ""
	}
	o, err := objects.Get(r.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		r.create(configMaps, namespace, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q},"data":{"k":%q}}`, name, value)
		return ""
	}
	if err := unstructured.SetNestedField(o.Object, value, "data", "k"); err != nil {
		r.t.Fatal(err)
	}
	o, err = objects.Update(r.t.Context(), o, metav1.UpdateOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return o.GetResourceVersion()
}

// since returns what has been delivered since before.
func (r *realStream) since(before map[string]int) map[string]int {
	delivered := map[string]int{}
	for op, n := range r.mirror.counts() {
		if n != before[op] {
			delivered[op] = n - before[op]
		}
	}
	return delivered
}

// testRestarts: a program that ends and begins again on its ledger's file
// resumes with no LIST, and delivers what differs and nothing else.
func testRestarts(t *testing.T, cluster *testenv.Cluster) {
	namespace := cluster.NewNamespace(t)
	path := filepath.Join(t.TempDir(), "ledger")
	r := follow(t, cluster.Config(), "cm?namespace="+namespace)
	r.stop()
	const n = 50
	for i := range n {
		r.createConfigMap(namespace, i)
	}
	l, end := openLedger(t, path)
	restart := func() {
		t.Helper()
		r.stop()
		end()
		l, end = openLedger(t, path)
		r.opts.Ledger = l
	}
	defer func() { r.stop(); end() }()
	r.opts.Ledger = l
	r.run()
	r.wantLive()
	r.settle(configMaps, namespace)

	restart()
	r.put(namespace, "cm-0", "new")
	r.put(namespace, "cm-1", "")
	r.put(namespace, "cm-2", "")
	r.put(namespace, "cm-2", "again")
	r.put(namespace, "another", "one")
	before := r.mirror.counts()
	r.run()
	r.settle(configMaps, namespace)
	want := map[string]int{"added": 2, "updated": 1, "deleted": 2}
	if diff := cmp.Diff(want, r.since(before)); diff != "" {
		t.Errorf("delivered after a restart (-want +got):\n%s", diff)
	}
	if s := r.stream.Status(); len(s.Snapshots) != 0 {
		t.Errorf("it took a snapshot: %+v", s)
	}

	// The server forgets what happened meanwhile.
	restart()
	r.put(namespace, "cm-3", "new")
	r.put(namespace, "cm-4", "")
	r.put(namespace, "cm-5", "")
	r.put(namespace, "cm-5", "again") // the same name twice in the gap
	r.put(namespace, "cm-6", "")
	r.put(namespace, "cm-6", "again")
	r.put(namespace, "cm-6", "")
	for range 2 {
		if err := cluster.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.put(namespace, "something", "else")
		r.put(namespace, "something", "")
	}
	before = r.mirror.counts()
	r.run()
	r.settle(configMaps, namespace)
	// cm-5 is an object that sinks do not know yet.
	want = map[string]int{"added": 1, "updated": 1, "deleted": 2, "tombstone": 2, "ghost": 1}
	if diff := cmp.Diff(want, r.since(before)); diff != "" {
		t.Errorf("delivered after a restart and a 410 (-want +got):\n%s", diff)
	}
	if s := r.stream.Status(); s.Snapshots["expired"] != 1 || s.Unacked != 0 {
		t.Errorf("status: %+v", s)
	}
}

// testRestore: the history that Fairlead has seen is gone, and the same numbers
// are given out again.
func testRestore(t *testing.T, cluster *testenv.Cluster) {
	namespace := cluster.NewNamespace(t)
	r := follow(t, cluster.Config(), "cm?namespace="+namespace)
	for _, name := range []string{"stays", "back", "same-number", "deleted-since", "recreated-since"} {
		r.put(namespace, name, "before")
	}
	if err := cluster.Backup(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.put(namespace, "back", "lost")
	r.put(namespace, "created-since", "lost")
	r.put(namespace, "deleted-since", "")
	r.put(namespace, "recreated-since", "")
	r.put(namespace, "recreated-since", "lost")
	number := r.put(namespace, "same-number", "lost")
	for i := range 20 { // the resume point is well ahead
		r.put(namespace, "back", fmt.Sprint("lost-", i))
	}
	r.settle(configMaps, namespace)
	before := r.mirror.counts()
	if err := cluster.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.settle(configMaps, namespace)
	s := r.stream.Status()
	t.Logf("snapshots %v, reconnects %v", s.Snapshots, s.Reconnects)
	want := map[string]int{"added": 2, "updated": 2, "deleted": 1, "tombstone": 1, "ghost": 1}
	if diff := cmp.Diff(want, r.since(before)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}

	// The object comes to the very number that sinks have accepted before.
	r.until(namespace, "same-number", number)
	r.put(namespace, "back", "and on")
	r.settle(configMaps, namespace)
	if got := r.value(namespace, "same-number"); got != "again" {
		t.Errorf("same-number is %q at %s, want the state of the new history", got, number)
	}
}

// until writes an object so often that it comes to a version, with the value
// "again".
func (r *realStream) until(namespace, name, version string) {
	r.t.Helper()
	want, err := strconv.Atoi(version)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; ; i++ {
		got, err := strconv.Atoi(r.put(namespace, "filler", fmt.Sprint(i)))
		if err != nil && i > 0 {
			r.t.Fatal(err)
		}
		switch {
		case got < want-1:
			continue
		case got > want-1:
			r.t.Skipf("another write took version %d", want)
		}
		if got := r.put(namespace, name, "again"); got != version {
			r.t.Skipf("another write took version %s", version)
		}
		return
	}
}

func (r *realStream) value(namespace, name string) string {
	r.t.Helper()
	c := r.mirror.get(namespace + "/" + name)
	if c == nil {
		return "missing"
	}
	u, err := c.Unstructured()
	if err != nil {
		r.t.Fatal(err)
	}
	value, _, _ := unstructured.NestedString(u.Object, "data", "k")
	return value
}

// testRestoreUnseen: Fairlead is down meanwhile, and the new history has passed
// its resume point when it comes back. No watch tells that: it is what audits
// are for. And a state with the same UID and the same number is the same state
// to everybody: an operator who restores a backup asks for a replay.
func testRestoreUnseen(t *testing.T, cluster *testenv.Cluster) {
	namespace := cluster.NewNamespace(t)
	path := filepath.Join(t.TempDir(), "ledger")
	r := follow(t, cluster.Config(), "cm?namespace="+namespace)
	r.stop()
	l, end := openLedger(t, path)
	defer func() { r.stop(); end() }()
	r.opts.Ledger = l
	r.put(namespace, "back", "before")
	r.put(namespace, "same-number", "before")
	if err := cluster.Backup(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.run()
	r.wantLive()
	r.put(namespace, "back", "lost")
	r.put(namespace, "created-since", "lost")
	number := r.put(namespace, "same-number", "lost")
	r.settle(configMaps, namespace)
	r.stop()
	end()

	if err := cluster.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.put(namespace, "new", "before the resume point")
	r.until(namespace, "same-number", number)
	for i := range 20 {
		r.put(namespace, "filler", fmt.Sprint("on ", i))
	}
	l, end = openLedger(t, path)
	r.opts.Ledger = l
	r.opts.Config.AuditInterval = 2 * time.Second
	before := r.mirror.counts()
	r.run()
	r.settle(configMaps, namespace)
	r.eventually("an audit", func() string {
		if s := r.stream.Status(); s.Audits["clean"] == 0 {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
	s := r.stream.Status()
	t.Logf("snapshots %v, audits %v, %d differences, delivered %v", s.Snapshots, s.Audits, s.AuditDifferences, r.since(before))
	if s.Snapshots["expired"] == 0 && s.AuditDifferences == 0 { // nobody knows which watches a server still serves
		t.Errorf("status: %+v", s)
	}
	_, _ = r.stream.Replay()
	r.eventually("the replay", func() string {
		if got := r.value(namespace, "same-number"); got != "again" {
			return got
		}
		return ""
	})
	r.settle(configMaps, namespace)
}
