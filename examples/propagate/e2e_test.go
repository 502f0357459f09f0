package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

const everywhere = "env=prod"

func TestPropagate(t *testing.T) {
	s := newScene(t)
	a, b := s.members["a"], s.members["b"]
	step := func(name string, f func(t *testing.T, s *scene, a, b *site)) {
		t.Run(name, func(t *testing.T) {
			sub := *s
			sub.t = t
			f(t, &sub, a, b)
		})
	}
	step("follows the source", testFollows)
	step("drift", testDrift)
	step("conflicts", testConflicts)
	step("selection", testSelection)
	step("down at creation and deletion", testDown)
	step("hangs", testHangs)
	step("noisy", testNoisy)
	step("restart", func(t *testing.T, sub *scene, a, b *site) { testRestart(t, s, sub, b) })
	step("old status", testOldStatus)
	step("not noted", testNotNoted)
	step("fails", testFails)
	step("replaced", testReplaced)
	step("left for ever", testLeft)
}

func testFollows(_ *testing.T, s *scene, a, b *site) {
	s.source("x", everywhere, map[string]string{"v": "1", "w": "1"})
	s.holds(a, "x", "1")
	s.holds(b, "x", "1")
	s.applied("x", "a", "b")
	s.patch(s.hub, "x", `{"data": {"v": "2", "w": null}}`)
	s.holds(a, "x", "2")
	s.holds(b, "x", "2")
	s.applied("x", "a", "b")
	cm, err := get(s.t.Context(), a.Client, client.ObjectKey{Namespace: s.ns, Name: "x"})
	s.must(err)
	if _, left := cm.Data["w"]; left {
		s.t.Errorf("a key that the source lost is still there: %v", cm.Data)
	}
	s.delete(s.hub, "x")
	for _, at := range []*site{a, b, s.hub} {
		s.holds(at, "x", "")
	}
	s.holds(s.hub, statusName("x"), "")
}

func testDrift(_ *testing.T, s *scene, a, b *site) {
	s.source("drift", everywhere, map[string]string{"v": "right", "w": "right"})
	s.applied("drift", "a", "b")
	s.patch(a, "drift", `{"data": {"v": "wrong"}}`)
	s.holds(a, "drift", "right")
	s.patch(a, "drift", `{"data": {"v": null}}`)
	s.holds(a, "drift", "right")
	s.delete(b, "drift")
	s.holds(b, "drift", "right")
	s.patch(b, "drift", fmt.Sprintf(`{"data": {"v": "wrong"}, "metadata": {"labels": {%q: null}}}`, labelHub))
	s.holds(b, "drift", "right")
	s.applied("drift", "a", "b")
}

func testConflicts(t *testing.T, s *scene, a, b *site) {
	// Somebody else's ConfigMap is left alone.
	s.must(a.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "taken"}, Data: map[string]string{"v": "theirs"}}))
	s.source("taken", everywhere, map[string]string{"v": "ours"})
	isConflict := func(text string) func(*entry, version) bool {
		return func(e *entry, _ version) bool { return e.State == conflict && strings.Contains(e.Message, text) }
	}
	s.says("taken", "a", "in conflict", isConflict("that is not ours"))
	s.applied("taken", "b")
	s.holds(a, "taken", "theirs")
	s.delete(s.hub, "taken")
	s.holds(s.hub, "taken", "")
	s.holds(b, "taken", "")
	s.holds(a, "taken", "theirs")

	// Somebody applies a field of a copy: that is told, and not fought.
	s.source("claimed", everywhere, map[string]string{"v": "ours"})
	s.applied("claimed", "a", "b")
	theirs := corev1ac.ConfigMap("claimed", s.ns).WithData(map[string]string{"v": "theirs"})
	s.must(b.Apply(t.Context(), theirs, client.FieldOwner("gitops"), client.ForceOwnership))
	s.says("claimed", "b", "in conflict", isConflict(`conflict with "gitops"`))
	s.patch(s.hub, "claimed", `{"data": {"v": "ours again"}}`)
	s.holds(a, "claimed", "ours again")
	s.applied("claimed", "a")
	s.says("claimed", "b", "in conflict about the new version", isConflict(`conflict with "gitops"`))
	s.holds(b, "claimed", "theirs")
	// They give it up.
	s.must(b.Apply(t.Context(), corev1ac.ConfigMap("claimed", s.ns), client.FieldOwner("gitops")))
	s.applied("claimed", "b")
	s.holds(b, "claimed", "ours again")
}

func testSelection(t *testing.T, s *scene, a, b *site) {
	s.source("some", labelCluster+"=a", map[string]string{"v": "1"})
	s.applied("some", "a")
	if st, _ := s.status("some"); len(st.Clusters) != 1 {
		t.Errorf("status %s", asJSON(st))
	}
	s.patch(s.hub, "some", fmt.Sprintf(`{"metadata": {"annotations": {%q: "zone=b"}}}`, annotationClusters))
	s.holds(a, "some", "")
	s.holds(b, "some", "1")
	s.applied("some", "b")

	s.patch(s.hub, "some", fmt.Sprintf(`{"metadata": {"annotations": {%q: "zone in b"}}}`, annotationClusters))
	s.eventually("problem", func() error {
		if st, _ := s.status("some"); st.Problem == "" || st.Clusters["b"] == nil {
			return errors.New(asJSON(st))
		}
		return nil
	})
	s.holds(b, "some", "1")
	s.patch(s.hub, "some", fmt.Sprintf(`{"metadata": {"annotations": {%q: "zone=b"}}}`, annotationClusters))
	s.applied("some", "b")

	// The member's labels change.
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.fleetNS, Name: "b"}}
	label := func(zone string) {
		s.must(s.hub.Patch(t.Context(), secret, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"metadata": {"labels": {"zone": %q}}}`, zone))))
	}
	label("elsewhere")
	s.holds(b, "some", "")
	label("b")
	s.holds(b, "some", "1")

	// A source that loses its label lets go.
	s.patch(s.hub, "some", fmt.Sprintf(`{"metadata": {"labels": {%q: null}}}`, labelRole))
	s.holds(b, "some", "")
	s.holds(s.hub, statusName("some"), "")
	s.eventually("no finalizer", func() error {
		cm, err := get(t.Context(), s.hub.Client, client.ObjectKey{Namespace: s.ns, Name: "some"})
		if err == nil && len(cm.Finalizers) > 0 {
			err = errors.New("has one")
		}
		return err
	})
}

func testDown(t *testing.T, s *scene, a, b *site) {
	s.source("old", everywhere, map[string]string{"v": "1"})
	s.applied("old", "a", "b")
	b.proxy.Cut()
	s.source("down", everywhere, map[string]string{"v": "1"})
	s.applied("down", "a")
	s.says("down", "b", "pending and unreachable", func(e *entry, _ version) bool {
		return e.State == pending && !e.UnreachableSince.IsZero()
	})
	s.says("old", "b", "applied and unreachable", func(e *entry, source version) bool {
		return e.State == applied && e.Applied == source && !e.UnreachableSince.IsZero()
	})
	s.holds(b, "down", "")
	s.must(b.proxy.Restore())
	s.holds(b, "down", "1")
	s.applied("down", "a", "b")
	s.applied("old", "b")

	b.proxy.Cut()
	s.delete(s.hub, "down")
	s.holds(a, "down", "")
	s.says("down", "b", "to be removed", func(e *entry, _ version) bool { return e.State == removing && e.UnreachableSince != nil })
	s.holds(s.hub, "down", "1") // it waits
	s.holds(b, "down", "1")
	s.must(b.proxy.Restore())
	s.holds(b, "down", "")
	s.holds(s.hub, "down", "")
	s.holds(s.hub, statusName("down"), "")
}

// testHangs: a member accepts connections and answers nothing, with more to do
// for it than there are workers.
func testHangs(_ *testing.T, s *scene, a, b *site) {
	const n = 40
	s.must(b.proxy.BlackHole())
	for i := range n {
		s.source(fmt.Sprint("hang-", i), everywhere, map[string]string{"v": "1"})
	}
	for i := range n {
		s.holds(a, fmt.Sprint("hang-", i), "1")
	}
	if st, obj := s.status("hang-0"); st.Clusters["b"] == nil || st.Clusters["b"].UnreachableSince != nil {
		s.t.Errorf("the other member was served only when the one that hangs was given up: %s", obj.Data["status"])
	}
	b.proxy.Cut()
	s.says("hang-0", "b", "unreachable", func(e *entry, _ version) bool { return e.UnreachableSince != nil })
	s.must(b.proxy.Restore())
	for i := range n {
		s.holds(b, fmt.Sprint("hang-", i), "1")
		s.applied(fmt.Sprint("hang-", i), "a", "b")
	}
}

// testNoisy: drift without end in one member costs its own tokens.
func testNoisy(t *testing.T, s *scene, a, b *site) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: fmt.Sprint("hang-", i%40)}}
			patch := fmt.Sprintf(`{"data": {"v": "%d"}}`, i)
			if err := b.Patch(t.Context(), cm, client.RawPatch("application/merge-patch+json", []byte(patch)), client.FieldOwner("test-noise")); client.IgnoreNotFound(err) != nil {
				t.Errorf("noise: %v", err)
				return
			}
		}
	}()
	for i := range 5 {
		name := fmt.Sprint("quiet-", i)
		s.source(name, labelCluster+"=a", map[string]string{"v": "1"})
		s.applied(name, "a")
	}
	close(stop)
	<-stopped
	for i := range 40 {
		s.holds(b, fmt.Sprint("hang-", i), "1")
	}
}

// testRestart: what was deleted while the controller was away and a member was
// down is deleted, too.
func testRestart(_ *testing.T, whole, s *scene, b *site) {
	s.source("away", everywhere, map[string]string{"v": "1"})
	s.applied("away", "a", "b")
	b.proxy.Cut()
	s.says("away", "b", "unreachable", func(e *entry, _ version) bool { return e.UnreachableSince != nil })
	st, _ := s.status("away")
	whole.stop()
	s.delete(s.hub, "away")
	whole.start()
	s.source("since", everywhere, map[string]string{"v": "1"})
	s.says("since", "b", "pending in a member that was never reached", func(e *entry, _ version) bool {
		return e.State == pending && e.UnreachableSince != nil
	})
	s.says("away", "b", "to be removed, unreachable since before", func(e *entry, _ version) bool {
		return e.State == removing && e.UnreachableSince.Equal(st.Clusters["b"].UnreachableSince)
	})
	s.must(b.proxy.Restore())
	s.holds(b, "away", "")
	s.holds(s.hub, "away", "")
	s.holds(b, "since", "1")
	s.applied("since", "a", "b")
}

// testOldStatus: who was leader before cannot put its status over a newer one.
func testOldStatus(t *testing.T, s *scene, _, _ *site) {
	s.source("contested", everywhere, map[string]string{"v": "1"})
	s.applied("contested", "a", "b")
	key := client.ObjectKey{Namespace: s.ns, Name: "contested"}
	statusKey := client.ObjectKey{Namespace: s.ns, Name: statusName("contested")}
	oldSource, err := get(t.Context(), s.hub.Client, key)
	s.must(err)
	_, oldStatus := s.status("contested")
	s.patch(s.hub, "contested", `{"data": {"v": "2"}}`)
	s.applied("contested", "a", "b")
	s.eventually("status of the new version", func() error {
		if st, _ := s.status("contested"); st.Source == read(oldStatus).Source {
			return errors.New(asJSON(st))
		}
		return nil
	})
	s.applied("contested", "a", "b")
	_, want := s.status("contested")

	nobody, err := cache.New(cache.Options{}) // it sees no members, so it would say something else
	s.must(err)
	newSource, err := get(t.Context(), s.hub.Client, key)
	s.must(err)
	for name, test := range map[string]struct {
		at      map[client.ObjectKey]*corev1.ConfigMap
		refused func(error) bool
	}{
		"old source": {
			map[client.ObjectKey]*corev1.ConfigMap{key: oldSource},
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "out of date") },
		},
		"source not seen yet": {
			map[client.ObjectKey]*corev1.ConfigMap{key: {}},
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "out of date") },
		},
		"old status": {
			map[client.ObjectKey]*corev1.ConfigMap{key: newSource, statusKey: oldStatus}, apierrors.IsConflict,
		},
		"both old": {
			map[client.ObjectKey]*corev1.ConfigMap{key: oldSource, statusKey: oldStatus}, apierrors.IsConflict,
		},
	} {
		former := &reconciler{hub: frozen{s.hub.Client, test.at}, live: s.hub.Client, fleet: nobody}
		if _, err := former.gather(t.Context(), key); !test.refused(err) {
			t.Errorf("%s: error %v", name, err)
		}
		if _, got := s.status("contested"); got.ResourceVersion != want.ResourceVersion {
			t.Errorf("%s: overwritten with %s", name, got.Data["status"])
		}
	}
}

// testNotNoted: nobody gets a copy before it is noted that he may have one.
func testNotNoted(t *testing.T, s *scene, a, _ *site) {
	key := client.ObjectKey{Namespace: s.ns, Name: "unnoted"}
	src := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: key.Namespace, Name: key.Name, UID: "u", ResourceVersion: "1",
		Labels: map[string]string{labelRole: "source"}, Annotations: map[string]string{annotationClusters: ""},
	}}
	other, err := cache.New(cache.Options{})
	s.must(err)
	member, err := cluster.New(a.Config()) // is not started: a read from it would fail
	s.must(err)
	defer member.GetHTTPClient().CloseIdleConnections()
	s.must(other.Include("a", member))
	r := &reconciler{hub: frozen{s.hub.Client, map[client.ObjectKey]*corev1.ConfigMap{key: src}}, live: s.hub.Client, fleet: other}
	if _, err := r.propagate(t.Context(), queue.Request{Cluster: "a", NamespacedName: key}); err != nil {
		t.Error(err)
	}
	s.holds(a, "unnoted", "")
}

// testFails: members do not have the namespace.
func testFails(_ *testing.T, s *scene, a, b *site) {
	elsewhere := *s
	elsewhere.ns = s.hub.NewNamespace(s.t)
	elsewhere.source("x", everywhere, map[string]string{"v": "1"})
	for _, m := range []string{"a", "b"} {
		elsewhere.says("x", m, "failed", func(e *entry, _ version) bool {
			return e.State == failed && strings.Contains(e.Message, "not found")
		})
	}
	elsewhere.delete(s.hub, "x")
	elsewhere.holds(s.hub, "x", "")
}

// testReplaced: another cluster takes over a member's name, and gives it back.
func testReplaced(t *testing.T, s *scene, a, b *site) {
	uid := func(at *site) string {
		var ns corev1.Namespace
		s.must(at.Get(t.Context(), client.ObjectKey{Name: "kube-system"}, &ns))
		return string(ns.UID)
	}
	is := func(at *site) func(*entry, version) bool {
		want := uid(at)
		return func(e *entry, source version) bool {
			return e.ClusterUID == want && e.State == applied && e.Applied == source && e.UnreachableSince == nil
		}
	}
	describe := func(at *site) {
		kubeconfig, err := testenv.Kubeconfig(account{at})
		s.must(err)
		patch, err := json.Marshal(map[string]any{"data": map[string][]byte{"kubeconfig": kubeconfig}})
		s.must(err)
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.fleetNS, Name: "b"}}
		s.must(s.hub.Patch(t.Context(), secret, client.RawPatch("application/merge-patch+json", patch)))
	}
	s.source("moved", labelCluster+"=b", map[string]string{"v": "1"})
	s.says("moved", "b", "in its cluster", is(b))
	s.holds(a, "moved", "")
	describe(a)
	s.says("moved", "b", "in another cluster", is(a))
	s.holds(a, "moved", "1")
	describe(b)
	s.says("moved", "b", "in its cluster again", is(b))
	s.holds(b, "moved", "1")
	s.delete(s.hub, "moved")
	s.holds(s.hub, "moved", "")
	s.holds(b, "moved", "")
}

// testLeft: a member leaves the fleet while it has copies, and comes back no more.
func testLeft(t *testing.T, s *scene, a, b *site) {
	s.source("left", everywhere, map[string]string{"v": "1"})
	s.applied("left", "a", "b")
	s.must(s.hub.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.fleetNS, Name: "b"}}))
	s.says("left", "b", "unreachable", func(e *entry, _ version) bool { return e.State == applied && e.UnreachableSince != nil })
	s.delete(s.hub, "left")
	s.holds(a, "left", "")
	s.says("left", "b", "to be removed", func(e *entry, _ version) bool { return e.State == removing })
	s.holds(s.hub, "left", "1")
	s.patch(s.hub, "left", fmt.Sprintf(`{"metadata": {"annotations": {%q: "b"}}}`, annotationAbandon))
	s.holds(s.hub, "left", "")
	s.holds(b, "left", "1")
}
