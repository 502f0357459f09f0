package stream

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// soon has a stream ask often for what it does not find.
func (r *realStream) soon() {
	r.opts.Config.missingRetry, r.opts.Config.goneAfter = 50*time.Millisecond, 300*time.Millisecond
}

func gizmosOf(group, version string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: "gizmos"}
}

func crdOf(group string, versions ...string) string {
	var list []string
	for i, v := range versions {
		list = append(list, fmt.Sprintf(`{"name":%q,"served":true,"storage":%t,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}`, v, i == 0))
	}
	return fmt.Sprintf(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gizmos.%s"},"spec":{
		"group":%q,"scope":"Namespaced","names":{"plural":"gizmos","singular":"gizmo","kind":"Gizmo","shortNames":["gz"]},"versions":[%s]}}`,
		group, group, strings.Join(list, ","))
}

// install makes a CRD and waits until it is served and discovered.
func (r *realStream) install(group string, versions ...string) {
	r.t.Helper()
	r.create(crds, "", "%s", crdOf(group, versions...))
	r.t.Cleanup(func() { r.uninstall(group) })
	r.eventually("the CRD to be served", func() string {
		if _, err := r.client.Resource(gizmosOf(group, versions[0])).List(r.t.Context(), metav1.ListOptions{}); err != nil {
			return err.Error()
		}
		return r.discovered(r.t.Context(), group, true)
	})
}

// uninstall removes a CRD, with its objects, and waits until it is not
// discovered any more.
func (r *realStream) uninstall(group string) {
	r.t.Helper()
	ctx := context.WithoutCancel(r.t.Context()) // a cleanup
	if err := r.client.Resource(crds).Delete(ctx, "gizmos."+group, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		r.t.Fatal(err)
	}
	r.eventually("the CRD to be gone", func() string { return r.discovered(ctx, group, false) })
}

// discovered returns what is wrong if a group is not discovered as wanted.
func (r *realStream) discovered(ctx context.Context, group string, want bool) string {
	gr := schema.GroupResource{Group: group, Resource: "gizmos"}
	_, err := newServed(r.discovery()).resource(ctx, gr, Spec{})
	if is := err == nil; is != want {
		return fmt.Sprintf("%s is discovered: %t, %v", gr, is, err)
	}
	return ""
}

func (r *realStream) discovery() discovery.DiscoveryInterface {
	return r.opts.Connection.(*fakeConnection).session.Discovery
}

func (r *realStream) createGizmo(group, version, namespace, name string) {
	r.t.Helper()
	r.create(gizmosOf(group, version), namespace, `{"apiVersion":"%s/%s","kind":"Gizmo","metadata":{"name":"%s"}}`, group, version, name)
}

// followGizmos follows the gizmos of a namespace, of which there are two.
func followGizmos(t *testing.T, cluster *testenv.Cluster, config *rest.Config, spec, group, version string) (r *realStream, namespace string) {
	t.Helper()
	namespace = cluster.NewNamespace(t)
	r = follow(t, config, spec+"?namespace="+namespace)
	r.stop()
	r.soon()
	r.install(group, version)
	r.run()
	for _, name := range []string{"a", "b"} {
		r.createGizmo(group, version, namespace, name)
	}
	r.wantLive()
	r.settle(gizmosOf(group, version), namespace)
	return r, namespace
}

// wantGone waits until the sink has heard that the two are gone, and then has
// the CRD come back.
func (r *realStream) wantGone(group, namespace string) {
	r.t.Helper()
	r.eventually("tombstones", func() string {
		if got := r.mirror.counts(); got["tombstone"] != 2 || len(r.mirror.versions()) != 0 {
			return fmt.Sprint(got)
		}
		return ""
	})
	r.eventually("the stream to wait", func() string {
		if s := r.stream.Status(); s.State != member.Waiting || s.Reason != "missing" || s.Known != 0 {
			return "status"
		}
		return ""
	})
	r.install(group, "v1")
	r.createGizmo(group, "v1", namespace, "b")
	r.wantLive()
	r.settle(gizmosOf(group, "v1"), namespace)
}

func testGoneWhileDown(t *testing.T, cluster *testenv.Cluster) {
	const group = "down.example.com"
	r, namespace := followGizmos(t, cluster, cluster.Config(), "gizmos", group, "v1")
	r.stop()
	r.uninstall(group)
	r.opts.Config.goneAfter = time.Hour
	r.run()
	r.eventually("what is held to be told", func() string {
		if s := r.stream.Status(); s.Reason != "resource gone, 2 objects held" || s.Known != 2 || s.Reconnects["missing"] < 2*goneTimes {
			return "status"
		}
		return ""
	})
	r.stop()
	r.soon()
	r.run()
	r.wantGone(group, namespace)
}

func testGoneWhileCutOff(t *testing.T, cluster *testenv.Cluster) {
	const group = "cut.example.com"
	proxy, err := cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after those of the CRDs
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	r, namespace := followGizmos(t, cluster, proxy.Config(), "gz", group, "v1")
	defer r.stop()
	direct := follow(t, cluster.Config(), "cm?namespace="+namespace)
	proxy.Cut()
	r.eventually("the stream to fail", func() string {
		if r.stream.Status().Reconnects["network"] == 0 {
			return "status"
		}
		return ""
	})
	direct.uninstall(group)
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
	r.wantGone(group, namespace)
}

// testSecondMeaning: somebody installs another CRD with the same names, which
// comes first in the server's order.
func testSecondMeaning(t *testing.T, cluster *testenv.Cluster) {
	const first, second = "zeta.second.example.com", "alpha.second.example.com"
	r, namespace := followGizmos(t, cluster, cluster.Config(), "gizmo", first, "v1")
	r.install(second, "v1")
	r.createGizmo(second, "v1", namespace, "other")
	r.stop()
	r.run()
	r.createGizmo(first, "v1", namespace, "c")
	r.settle(gizmosOf(first, "v1"), namespace)
	if s := r.stream.Status(); s.Resource != "gizmos."+first || len(s.Snapshots) != 0 {
		t.Errorf("status: %+v", s)
	}

	// What is left is not what was meant, either.
	r.stop()
	r.uninstall(first)
	r.run()
	r.eventually("tombstones", func() string {
		s := r.stream.Status()
		if r.mirror.counts()["tombstone"] != 3 || s.State != member.Waiting || !strings.Contains(s.LastError, "gizmos."+first) || !strings.Contains(s.LastError, "gizmos."+second) {
			return "status"
		}
		return ""
	})

	// Who does not know of a meaning is told of both.
	r.install(first, "v1")
	fresh := follow(t, cluster.Config(), "gizmos?namespace="+namespace)
	fresh.eventually("both candidates", func() string {
		s := fresh.stream.Status()
		if s.State != member.Waiting || s.Reason != "ambiguous" || !strings.Contains(s.LastError, "gizmos."+second+" and gizmos."+first) {
			return "status"
		}
		return ""
	})
	fresh.stop()
	r.stop()
}

// testPreferredVersion: the CRD gets a version that is preferred, then loses the
// one before.
func testPreferredVersion(t *testing.T, cluster *testenv.Cluster) {
	const group = "version.example.com"
	proxy, err := cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after those of the CRDs
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	r, namespace := followGizmos(t, cluster, proxy.Config(), "gizmos."+group, group, "v1beta1")
	defer r.stop()
	direct := follow(t, cluster.Config(), "cm?namespace="+namespace)
	versions := func(want string) string {
		for _, name := range []string{"a", "b"} {
			if c := r.mirror.get(namespace + "/" + name); c == nil || c.Origin.Resource.Version != want {
				return fmt.Sprintf("%s is %+v", name, c)
			}
		}
		return ""
	}
	if wrong := versions("v1beta1"); wrong != "" {
		t.Error(wrong)
	}
	change := func(versions ...string) {
		t.Helper()
		crd, err := direct.client.Resource(crds).Get(t.Context(), "gizmos."+group, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		next := &unstructured.Unstructured{}
		if err := next.UnmarshalJSON([]byte(crdOf(group, versions...))); err != nil {
			t.Fatal(err)
		}
		next.SetResourceVersion(crd.GetResourceVersion())
		if _, err := direct.client.Resource(crds).Update(t.Context(), next, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	change("v1beta1", "v1")
	direct.eventually("discovery", func() string {
		one, err := newServed(direct.discovery()).resource(t.Context(), schema.GroupResource{Group: group, Resource: "gizmos"}, Spec{})
		if err != nil || one.gvr.Version != "v1" {
			return fmt.Sprint(one, err)
		}
		return ""
	})
	proxy.Cut() // a watch ends, as it does every few minutes
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
	r.eventually("everything in the new version", func() string { return versions("v1") })
	r.wantLive()
}

// testBrokenAPI: an API server behind the API server that is not there.
func testBrokenAPI(t *testing.T, cluster *testenv.Cluster) {
	const group, broken = "whole.example.com", "broken.example.com"
	services := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	r, namespace := followGizmos(t, cluster, cluster.Config(), "gizmos."+group, group, "v1")
	r.create(services, "", `{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{"name":"v1.%s"},"spec":{"group":"%s","version":"v1",
		"groupPriorityMinimum":100,"versionPriority":100,"insecureSkipTLSVerify":true,"service":{"namespace":"%s","name":"nobody"}}}`, broken, broken, namespace)
	defer func() {
		if err := r.client.Resource(services).Delete(t.Context(), "v1."+broken, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		r.eventually("discovery to be whole again", func() string {
			if _, _, err := r.discovery().ServerGroupsAndResources(); err != nil {
				return err.Error()
			}
			return ""
		})
	}()
	r.eventually("discovery to fail for the group", func() string {
		if _, _, err := r.discovery().ServerGroupsAndResources(); err == nil {
			return "no error"
		}
		return ""
	})
	for spec, want := range map[string]string{"nosuch": "incomplete", "wigs." + broken: "incomplete", "nosuch." + group: "missing", "gizmos": ""} {
		other := follow(t, cluster.Config(), spec)
		other.eventually(spec, func() string {
			s := other.stream.Status()
			if want == "" && s.State == member.Live || s.State == member.Waiting && s.Reason == want {
				return ""
			}
			return "status"
		})
		other.stop()
	}
	// Of what is gone meanwhile, it is still told.
	r.stop()
	r.uninstall(group)
	r.run()
	r.eventually("tombstones", func() string {
		if got := r.mirror.counts(); got["tombstone"] != 2 {
			return fmt.Sprint(got)
		}
		return ""
	})
	r.stop()
}
