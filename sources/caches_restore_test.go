package sources

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// testRestore: the member's etcd is restored from a backup, without its
// revision being moved on. The version that the caches saw last is from a
// future that will not come; they list anew and tell what is gone. Typed caches
// hear of it in protobuf, others in JSON.
func testRestore(t *testing.T, hub, a *testenv.Cluster) {
	ns, direct := a.NewNamespace(t), clientOf(t, a)
	create(t, direct, ns, "kept")
	if err := a.Backup(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := manage(t, hub.Config(), CachesOptions{Connection: quick})
	m.caches.Set(fleet.Member{Name: "a", REST: a.Config()})
	const lost = 50
	for i := range lost {
		create(t, direct, ns, fmt.Sprint("lost-", i))
	}
	for i := range lost {
		eventually(t, "the change", func() bool { return m.count("a", ns, fmt.Sprint("lost-", i)) == 1 })
	}
	c, err := m.caches.Client("a")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) (typed, other error) {
		key := client.ObjectKey{Namespace: ns, Name: name}
		return c.Get(t.Context(), key, &corev1.ConfigMap{}),
			c.Get(t.Context(), key, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}})
	}
	if typed, other := read("lost-0"); typed != nil || other != nil {
		t.Fatalf("before: %v, %v", typed, other)
	}
	kept := m.count("a", ns, "kept")

	if err := a.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range lost {
		name := fmt.Sprint("lost-", i)
		eventuallyOr(t, name+" is told as deleted", func() bool { return m.count("a", ns, name) > 1 },
			func() string { return fmt.Sprintf("%+v", m.caches.State("a")) })
		eventuallyOr(t, name+" is not read any more", func() bool {
			typed, other := read(name)
			return apierrors.IsNotFound(typed) && apierrors.IsNotFound(other)
		}, func() string {
			typed, other := read(name)
			return fmt.Sprintf("typed: %v; unstructured: %v", typed, other)
		})
	}
	m.becomes(t, "a", cache.Live)
	if typed, other := read("kept"); typed != nil || other != nil {
		t.Errorf("what was kept: %v, %v", typed, other)
	}
	// A list with what is known already may ask for it again, with low priority.
	if got := m.count("a", ns, "kept") - kept; got > 1 {
		t.Errorf("what was kept was told %d times", got)
	}
}

// TestRestoredBackup: the versions that a member gives out begin anew below the
// one that was seen last. A watch from there would stay silent.
func TestRestoredBackup(t *testing.T) {
	simulate(t, CachesOptions{}, func(t *testing.T, s *sim) {
		f := newFakeAPI("A", "x", "y")
		s.set("a", f)
		s.want("first list", "a/x?", "a/y?")
		f.cut()
		f.set(func() {
			f.version = 90
			delete(f.objects, "y")
			f.events = nil
		})
		time.Sleep(time.Second)
		f.restore()
		time.Sleep(time.Minute)
		s.want("after the restore", "a/x?", "a/y")
		f.put("z")
		s.want("new", "a/z")
		s.state("a", cache.Live)
	})
}
