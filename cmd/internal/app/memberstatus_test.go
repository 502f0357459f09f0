package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/memberstatus"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// statusHub is a hub that has the CRD, and a namespace for the objects.
type statusHub struct {
	*testenv.Cluster
	t          *testing.T
	namespace  string
	objects    dynamic.ResourceInterface
	kubeconfig string
}

func newStatusHub(t *testing.T, c *testenv.Cluster) *statusHub {
	client := must(rest.HTTPClientFor(c.Config()))(t)
	t.Cleanup(client.CloseIdleConnections)
	all := must(dynamic.NewForConfigAndClient(c.Config(), client))(t)
	crds := all.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	_ = must(crds.Patch(t.Context(), "memberclusters.fairlead.dev", types.ApplyPatchType, memberstatus.CRD(), metav1.PatchOptions{FieldManager: "test", Force: new(true)}))(t)
	h := &statusHub{Cluster: c, t: t, namespace: c.NewNamespace(t), kubeconfig: filepath.Join(t.TempDir(), "hub.yaml")}
	h.objects = all.Resource(schema.GroupVersionResource{Group: "fairlead.dev", Version: "v1alpha1", Resource: "memberclusters"}).Namespace(h.namespace)
	if err := testenv.WriteKubeconfig(h.kubeconfig, c); err != nil {
		t.Fatal(err)
	}
	return h
}

// conditions returns status and reason of a member's conditions, nil if it has no object.
func (h *statusHub) conditions(name string) map[string]string {
	o, err := h.objects.Get(h.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	found := map[string]string{"": "there"}
	all, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range all {
		c := c.(map[string]any)
		found[c["type"].(string)] = c["status"].(string)
	}
	return found
}

// The hub tells where each member stands: of one that is live, goes down, comes back and
// leaves. Objects of members that left while nobody looked go too, but not before the
// fleet is known. What the hub refuses holds up no delivery.
func TestMemberStatusInTheHub(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "hub"}, testenv.Spec{Name: "member"})
	hub := newStatusHub(t, env.Clusters[0])
	proxy := newProxy(t, env.Clusters[1])
	dir := t.TempDir()
	for name, target := range map[string]testenv.Target{"a": env.Clusters[1], "b": proxy} {
		if err := testenv.WriteKubeconfig(filepath.Join(dir, name), target); err != nil {
			t.Fatal(err)
		}
	}
	flags := []string{"--clusters=dir:" + dir, "--watch=configmaps", "--hub-kubeconfig=" + hub.kubeconfig, "--member-status=" + hub.namespace, "--ledger=" + filepath.Join(t.TempDir(), "ledger")}
	r := start(t, flags...)
	is := func(name, kind, status string) func() bool {
		return func() bool { return hub.conditions(name)[kind] == status }
	}
	a, b := "a", "b"
	r.await("a is fresh", is(a, "Fresh", "True"))
	r.await("b is fresh", is(b, "Fresh", "True"))
	if got := hub.conditions(a); got["Reachable"] != "True" || got["Synced"] != "True" || got["Throttled"] != "False" {
		t.Errorf("conditions of a: %v", got)
	}
	proxy.Cut()
	r.await("b is down", func() bool {
		c := hub.conditions(b)
		return c["Reachable"] == "False" && c["Fresh"] == "False"
	})
	if got := hub.conditions(a)["Fresh"]; got != "True" {
		t.Errorf("a is fresh: %s", got)
	}
	restore(t, proxy)
	r.await("b is back", is(b, "Fresh", "True"))

	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	r.await("b has left", func() bool { return hub.conditions(b) == nil })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if hub.conditions(a) == nil {
		t.Error("the end of the program deletes what it has told")
	}

	// a leaves while nobody looks, and b is back; at first nothing of the fleet is known.
	if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(t.TempDir(), "aside")); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "c")
	writeFile(t, broken, "no kubeconfig")
	if err := testenv.WriteKubeconfig(filepath.Join(dir, "b"), proxy); err != nil {
		t.Fatal(err)
	}
	r = start(t, flags...)
	r.await("b is there again", is(b, "Fresh", "True"))
	if r.program.fleet.Known() || hub.conditions(a) == nil {
		t.Error("a's object is gone although a description cannot be read")
	}
	remove(t, broken)
	r.await("a's object is gone", func() bool { return hub.conditions(a) == nil })
}

// A hub that forbids it is told in the log, and costs delivery nothing.
func TestMemberStatusWithoutRights(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	hub := newStatusHub(t, c)
	o := newObjects(t, c, c.NewNamespace(t))
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, c), "--watch=configmaps", "--hub-kubeconfig="+hub.kubeconfig, "--member-status=no-such-namespace")
	r.await("it is live", func() bool { return r.streamsLive("hub") })
	errors := func() float64 {
		families := must(r.registry.Gather())(t)
		for _, f := range families {
			if f.GetName() == "fairlead_member_status_errors_total" {
				return f.GetMetric()[0].GetCounter().GetValue()
			}
		}
		return 0
	}
	r.await("the hub refuses", func() bool { return errors() >= 2 })
	o.create("while-the-hub-refuses")
	r.await("changes are delivered", func() bool {
		for _, e := range r.out.received() {
			if strings.Contains(e.Subject, "while-the-hub-refuses") {
				return true
			}
		}
		return false
	})
}

func TestMemberStatusFlag(t *testing.T) {
	if _, err := parseFlags(t, "--watch=pods", "--member-status=Fleet/x"); err == nil {
		t.Error("what is no namespace is taken")
	}
}

// Of two processes the one that leads writes: after it was killed the other one finds what
// there is, and makes what is missing.
func TestMemberStatusOfTheNextLeader(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	hub := newStatusHub(t, c)
	p := startPair(t, c, nil, append(slices.Clone(quick), "--member-status="+hub.namespace)...)
	p.leader.await("the leader has told", func() bool { return hub.conditions("hub")["Synced"] == "True" })
	p.leader.signal(syscall.SIGKILL)
	p.leader.awaitExit()
	if err := hub.objects.Delete(t.Context(), "hub", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.follower.awaitRole("leader")
	p.follower.await("the next one tells", func() bool { return hub.conditions("hub")["Synced"] == "True" })
	p.stop()
}

// What has not answered yet, and has not failed, is starting.
func TestStarting(t *testing.T) {
	for name, tc := range map[string]struct {
		connection, survey member.State
		streams            []member.State
		want               bool
	}{
		"dialed for the first time": {member.Connecting, "", []member.State{member.Waiting}, true},
		"down":                      {member.BackingOff, "", []member.State{member.Waiting}, false},
		"surveyed":                  {member.Live, member.Syncing, nil, true},
		"read":                      {member.Live, member.Live, []member.State{member.Live, member.Syncing}, true},
		"one fails":                 {member.Live, "", []member.State{member.Syncing, member.BackingOff}, false},
		"live":                      {member.Live, member.Live, []member.State{member.Live, member.Live}, false},
	} {
		m := &sources.MemberStatus{Connection: sources.ConnectionStatus{State: tc.connection}}
		if tc.survey != "" {
			m.Survey = &sources.SurveyStatus{State: tc.survey}
		}
		for _, s := range tc.streams {
			m.Streams = append(m.Streams, sources.StreamStatus{State: s})
		}
		if got := isStarting(m); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
