package stream

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestResolveIn(t *testing.T) {
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
	for in, want := range map[string]string{
		"pods": "/v1, Resource=pods Pod", "pod": "/v1, Resource=pods Pod", "po": "/v1, Resource=pods Pod",
		"deploy": "apps/v1, Resource=deployments Deployment", "deployment.apps": "apps/v1, Resource=deployments Deployment",
		"events": "/v1, Resource=events Event", "ev.events.k8s.io": "events.k8s.io/v1, Resource=events Event",
		"services": "/v1, Resource=services Service", "ksvc": "serving.knative.dev/v1, Resource=services Service",
		"services.serving.knative.dev": "serving.knative.dev/v1, Resource=services Service",
		"wigs":                         "example.com/v2, Resource=wigs Wig", "wigs.example.com/v1": "example.com/v1, Resource=wigs Wig",
		"hats": "example.com/v1, Resource=hats Hat",
	} {
		spec, err := ParseSpec(in)
		if err != nil {
			t.Fatal(err)
		}
		r, err := newCatalog(groups, lists, nil).resolve(spec)
		if got := r.gvr.String() + " " + r.kind; err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"gloves": "does not serve gloves", "pods.apps": "pods.apps", "deployments.apps/v2": "deployments.apps/v2",
		"bindings": "cannot be watched", "list": "does not serve", "pods/log": "pods/log",
	} {
		spec, err := ParseSpec(in)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := newCatalog(groups, lists, nil).resolve(spec); !errors.Is(err, errNoResource) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %+v, %v, want an error that says %q", in, r, err, want)
		}
	}
}
