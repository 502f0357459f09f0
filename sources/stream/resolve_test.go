package stream

import (
	"errors"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestResolve(t *testing.T) {
	follow := metav1.Verbs{"get", "list", "watch"}
	res := func(name, singular, kind string, short ...string) metav1.APIResource {
		return metav1.APIResource{Name: name, SingularName: singular, Kind: kind, Namespaced: true, ShortNames: short, Verbs: follow}
	}
	group := func(name string, versions ...string) *metav1.APIGroup {
		g := &metav1.APIGroup{Name: name}
		for _, v := range versions {
			gv := v
			if name != "" {
				gv = name + "/" + v
			}
			g.Versions = append(g.Versions, metav1.GroupVersionForDiscovery{GroupVersion: gv, Version: v})
		}
		g.PreferredVersion = g.Versions[0]
		return g
	}
	groups := []*metav1.APIGroup{group("", "v1"), group("apps", "v1"), group("events.k8s.io", "v1"), group("example.com", "v2", "v1"), group("serving.knative.dev", "v1")}
	lists := []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			res("pods", "pod", "Pod", "po"), res("pods/log", "", "Pod"), res("services", "service", "Service", "svc"), res("events", "event", "Event", "ev"),
			{Name: "bindings", SingularName: "binding", Kind: "Binding", Verbs: metav1.Verbs{"create"}},
		}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{res("deployments", "deployment", "Deployment", "deploy")}},
		{GroupVersion: "events.k8s.io/v1", APIResources: []metav1.APIResource{res("events", "event", "Event", "ev")}},
		{GroupVersion: "example.com/v2", APIResources: []metav1.APIResource{res("wigs", "wig", "Wig", "po")}},
		{GroupVersion: "example.com/v1", APIResources: []metav1.APIResource{res("wigs", "wig", "Wig", "po"), res("hats", "hat", "Hat")}},
		{GroupVersion: "serving.knative.dev/v1", APIResources: []metav1.APIResource{res("services", "service", "Service", "ksvc")}},
	}
	catalog := newCatalog(groups, lists, nil)
	for in, want := range map[string]string{
		"pods": "/v1, Resource=pods Pod", "pod": "/v1, Resource=pods Pod", "po": "/v1, Resource=pods Pod",
		"deploy": "apps/v1, Resource=deployments Deployment", "deployment.apps": "apps/v1, Resource=deployments Deployment",
		"events": "/v1, Resource=events Event", "ev.events.k8s.io": "events.k8s.io/v1, Resource=events Event",
		"services": "/v1, Resource=services Service", "ksvc": "serving.knative.dev/v1, Resource=services Service",
		"services.serving.knative.dev": "serving.knative.dev/v1, Resource=services Service",
		"wigs":                         "example.com/v2, Resource=wigs Wig", "wigs.example.com/v1": "example.com/v1, Resource=wigs Wig",
		"hats": "example.com/v1, Resource=hats Hat",
	} {
		r, err := catalog.resolve(mustParse(t, in))
		if got := r.gvr.String() + " " + r.kind; err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"gloves": "does not serve gloves", "pods.apps": "it does serve pods", "deployments.apps/v2": "it does serve deployments.apps/v1",
		"bindings": "cannot be watched", "list": "does not serve", "pods/log": "subresource",
		"deployments.v1.apps": "write deployments.apps/v1", "pods.v1": "write pods/v1", "deployments.v1": "does not serve",
	} {
		if r, err := catalog.resolve(mustParse(t, in)); !errors.Is(err, errNoResource) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %+v, %v, want an error that says %q", in, r, err, want)
		}
	}
}

func mustParse(t *testing.T, s string) Spec {
	t.Helper()
	spec, err := ParseSpec(s)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// What several groups have is ambiguous, whatever their order, unless one is the
// core group, only one of them can be followed, or all serve the same objects.
func TestAmbiguousNames(t *testing.T) {
	list := func(gv string, resources ...string) *metav1.APIResourceList {
		l := &metav1.APIResourceList{GroupVersion: gv}
		for _, names := range resources {
			n := strings.Fields(names + " - -")
			r := metav1.APIResource{Name: n[0], SingularName: n[1], ShortNames: n[2:3], Kind: "K", Verbs: metav1.Verbs{"list", "watch"}}
			if r.Name == "metrics" || strings.HasPrefix(gv, "metrics.k8s.io") {
				r.Verbs = metav1.Verbs{"get", "list"}
			}
			l.APIResources = append(l.APIResources, r)
		}
		return l
	}
	lists := []*metav1.APIResourceList{
		list("v1", "pods pod po", "nodes node no", "events event ev"),
		list("events.k8s.io/v1", "events event ev"),
		list("metrics.k8s.io/v1beta1", "pods pod", "nodes node", "hats hat"),
		list("zeta.io/v1", "gateways gateway gtw", "hats hat h", "metrics metric"),
		list("alpha.io/v1", "gateways gateway gtw", "hoods hood h", "metrics metric", "posts post po"),
		list("apps/v1", "deployments deployment deploy"),
		list("extensions/v1beta1", "deployments deployment deploy", "ingresses ingress ing"),
		list("networking.k8s.io/v1", "ingresses ingress ing"),
	}
	failed := map[schema.GroupVersion]error{{Group: "broken.io", Version: "v1"}: errors.New("down")}
	for range 2 {
		slices.Reverse(lists[1:])
		var groups []*metav1.APIGroup
		for _, l := range lists {
			gv, _ := schema.ParseGroupVersion(l.GroupVersion)
			v := metav1.GroupVersionForDiscovery{GroupVersion: l.GroupVersion, Version: gv.Version}
			groups = append(groups, &metav1.APIGroup{Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
		}
		catalog := newCatalog(groups, lists, failed)
		for in, want := range map[string]string{
			"pods": "pods", "node": "nodes", "events": "events", "ev": "events", "po": "pods", "events.events.k8s.io": "events.events.k8s.io",
			"hats": "hats.zeta.io", "deploy": "deployments.apps", "deployments.extensions": "deployments.extensions", "ingresses": "ingresses.networking.k8s.io",
			"gateways.alpha.io": "gateways.alpha.io", "gateways.zeta": "gateways.zeta.io", "gtw.zeta.io/v1": "gateways.zeta.io",
		} {
			if r, err := catalog.resolve(mustParse(t, in)); err != nil || r.name().String() != want {
				t.Errorf("%s is %s, %v, want %s", in, r.name(), err, want)
			}
		}
		for in, want := range map[string]string{
			"gateways": "gateways is gateways.alpha.io and gateways.zeta.io here", "gtw": "gateways.alpha.io and gateways.zeta.io",
			"h": "hats.zeta.io and hoods.alpha.io",
		} {
			if r, err := catalog.resolve(mustParse(t, in)); !errors.Is(err, errAmbiguous) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s is %+v, %v, want an error that says %q", in, r, err, want)
			}
		}
		// A group that failed concerns what may be its own.
		for in, want := range map[string]error{
			"nosuch": errIncomplete, "wigs.broken.io": errIncomplete, "wigs.broken": errIncomplete, "wigs.broken.io/v2": errIncomplete,
			"nosuch.alpha.io": errNoResource, "metrics.metrics.k8s.io": errNoResource, "wigs.brokenlike.io": errNoResource,
		} {
			if r, err := catalog.resolve(mustParse(t, in)); !errors.Is(err, want) {
				t.Errorf("%s is %+v, %v, want %v", in, r, err, want)
			}
		}
	}
}

func TestWhatACatalogLacks(t *testing.T) {
	core := schema.GroupVersion{Version: "v1"}
	named := func(names ...string) (list []metav1.APIResource) {
		for _, name := range names {
			list = append(list, metav1.APIResource{Name: name})
		}
		return list
	}
	down := map[schema.GroupVersion]error{{Group: "a.io", Version: "v1"}: errors.New("down"), {Group: "events.k8s.io", Version: "v1"}: errors.New("down")}
	for name, test := range map[string]struct {
		resource string
		lists    map[schema.GroupVersion][]metav1.APIResource
		failed   map[schema.GroupVersion]error
		lacks    bool
	}{
		"gone":                       {"wigs.a.io", map[schema.GroupVersion][]metav1.APIResource{core: nil, {Group: "a.io", Version: "v1"}: named("hats")}, nil, true},
		"gone, and the group":        {"wigs.a.io", map[schema.GroupVersion][]metav1.APIResource{core: nil}, nil, true},
		"nothing is there":           {"wigs.a.io", nil, nil, false},
		"in another version":         {"wigs.a.io", map[schema.GroupVersion][]metav1.APIResource{core: nil, {Group: "a.io", Version: "v2"}: named("wigs")}, nil, false},
		"the group failed":           {"wigs.a.io", map[schema.GroupVersion][]metav1.APIResource{core: nil}, down, false},
		"others failed":              {"wigs.b.io", map[schema.GroupVersion][]metav1.APIResource{core: nil}, down, true},
		"of the core group":          {"wigs", map[schema.GroupVersion][]metav1.APIResource{core: named("pods")}, nil, true},
		"the same objects elsewhere": {"ingresses.extensions", map[schema.GroupVersion][]metav1.APIResource{core: nil, {Group: "networking.k8s.io", Version: "v1"}: named("ingresses")}, nil, false},
		"the other group failed":     {"events", map[schema.GroupVersion][]metav1.APIResource{core: nil}, down, false},
	} {
		c := &catalog{lists: test.lists, failed: test.failed}
		if got := c.lacks(schema.ParseGroupResource(test.resource)); got != test.lacks {
			t.Errorf("%s: lacks %s: %t", name, test.resource, got)
		}
	}
}
