package sources

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// reader returns someone who may read ConfigMaps in namespace default and nothing
// else.
func (c *realCluster) reader() *rest.Config {
	c.t.Helper()
	meta := metav1.ObjectMeta{Name: "reader", Namespace: "default"}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "watch"}}}}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "reader"}},
	}
	if _, err := c.client.RbacV1().Roles("default").Create(c.t.Context(), role, metav1.CreateOptions{}); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.client.RbacV1().RoleBindings("default").Create(c.t.Context(), binding, metav1.CreateOptions{}); err != nil {
		c.t.Fatal(err)
	}
	cfg, err := c.cluster.User("reader")
	if err != nil {
		c.t.Fatal(err)
	}
	return cfg
}

// live waits until a member's only stream is live with the cluster of that UID.
func (h *harness) live(name, uid string) {
	h.t.Helper()
	h.await(name+" to be live as "+uid, func() bool {
		for _, m := range h.sources.Status() {
			if m.Connection.Cluster == name {
				return m.Connection.State == states.Live && m.Connection.ClusterUID == uid && m.Streams[0].State == states.Live
			}
		}
		return false
	})
}

// What a credential that may not read kube-system gives away, and what a restart,
// another CA and another address are no evidence of: on real control planes.
func TestRealClusterIsKnownByEvidence(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "a"}, testenv.Spec{Name: "b"})
	a := newRealCluster(t, env.Cluster("a"), "x", "y", "z")
	b := newRealCluster(t, env.Cluster("b"), "x", "b")
	ofA, ofB := a.reader(), b.reader()
	nobody, err := a.cluster.User("nobody")
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := a.cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := startOn(t, l, "cm?namespace=default")
	set := func(cfg *rest.Config) { h.sources.Set(fleet.Member{Name: "m", REST: cfg}) }
	restart := func(cfg *rest.Config) {
		h.stop()
		l.Leave("m") // what a restart forgets
		h = startOn(t, l, "cm?namespace=default")
		set(cfg)
	}
	silence := func(what string) {
		t.Helper()
		if told := h.queue.told(); len(told) > 0 {
			t.Errorf("%s: %q", what, told)
		}
	}
	set(a.cluster.Config())
	h.settle(a)
	h.live("m", a.uid)
	h.queue.told()

	restart(ofA)
	h.live("m", a.uid)
	silence("403 after a restart")
	bundled := rest.CopyConfig(ofA)
	bundled.CAData = slices.Concat(b.cluster.Config().CAData, ofA.CAData)
	set(bundled)
	h.live("m", a.uid)
	silence("another CA is added to the bundle")
	restart(proxy.Through(ofA))
	h.live("m", a.uid)
	silence("another address and the old CA, after a restart")

	if err := a.cluster.Stop(); err != nil {
		t.Fatal(err)
	}
	restart(ofA)
	if err := a.cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.live("m", a.uid)
	silence("the API server has restarted, too")

	through := proxy.Through(nobody)
	through.CAData = bundled.CAData
	set(through)
	h.await("the member to wait", func() bool { return h.sources.Status()[0].Connection.State == states.Waiting })
	if s := h.sources.Status()[0].Connection; s.ClusterUID != a.uid || !strings.Contains(s.LastError, "kube-system") {
		t.Errorf("status %+v", s)
	}
	silence("nothing at all can be read")

	// Another control plane, of which nothing but its ConfigMaps can be read.
	set(ofB)
	h.settle(b)
	h.await("a digest", func() bool { return h.sources.Status()[0].Connection.ByDigest })
	digest := h.sources.Status()[0].Connection.ClusterUID
	h.live("m", digest)
	var gone, came []string
	for _, told := range h.queue.told() {
		words := strings.Fields(told)
		switch {
		case words[0] == "deleted" && words[4] == a.uid:
			gone = append(gone, words[1])
		case words[0] == "added" && words[4] == digest:
			came = append(came, words[1])
		default:
			t.Error(told)
		}
	}
	slices.Sort(gone)
	slices.Sort(came)
	if diff := cmp.Diff([][]string{{"x", "y", "z"}, {"b", "x"}}, [][]string{gone, came}); diff != "" {
		t.Errorf("deleted and added (-want +got):\n%s", diff)
	}
	set(b.cluster.Config()) // its UID can be read at last
	h.live("m", b.uid)
	silence("a UID takes the place of a digest")
	set(ofB)
	h.live("m", b.uid)
	silence("and keeps it")

	// Two contexts of one cluster.
	h.sources.Set(fleet.Member{Name: "n", REST: b.cluster.Config()})
	h.live("n", b.uid)
	for i, want := range []string{"n", "m"} {
		if s := h.sources.Status()[i]; !slices.Equal(s.SameAs, []string{want}) || s.SameSince.IsZero() {
			t.Errorf("%s is the same cluster as %q since %v", s.Connection.Cluster, s.SameAs, s.SameSince)
		}
	}
	h.sources.Remove("n")
	h.await("n to leave", func() bool { return len(h.sources.Status()) == 1 })
	if s := h.sources.Status()[0]; s.SameAs != nil {
		t.Errorf("still the same as %q", s.SameAs)
	}
}
