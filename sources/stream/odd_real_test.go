package stream

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// testOddObjects: what users of an API server can have it send although it is
// as it should be. It goes out whole, or as its metadata, and holds nothing up.
func testOddObjects(t *testing.T, cluster *testenv.Cluster) {
	namespace := cluster.NewNamespace(t)
	const revisions = "/apis/apps/v1/namespaces/%s/controllerrevisions"
	const oddities = "/apis/odd.example.com/v1/namespaces/%s/oddities"
	r := follow(t, cluster.Config(), "controllerrevisions.apps?namespace="+namespace)
	post := func(path, body string) error {
		calls := r.opts.Connection.(*fakeConnection).session.Calls
		return calls.Post().AbsPath(fmt.Sprintf(path, namespace)).SetHeader("Content-Type", "application/json").Body([]byte(body)).Do(t.Context()).Error()
	}
	for name, data := range map[string]string{
		"plain":     `{"a":"é \ud83d\ude00","n":1e3}`,
		"odd-half":  `{"a":"\ud800"}`,
		"odd-bytes": "{\"a\":\"\xff\"}",
		"odd-deep":  `{"a":` + strings.Repeat("[", 150) + strings.Repeat("]", 150) + `}`,
	} {
		if err := post(revisions, fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":%q},"revision":1,"data":%s}`, name, data)); err != nil {
			t.Fatal(err)
		}
	}
	gvr := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "controllerrevisions"}
	wantLines := func(r *realStream, gvr schema.GroupVersionResource) {
		t.Helper()
		r.wantLive()
		r.settle(gvr, namespace)
		for key := range r.mirror.versions() {
			c := r.mirror.get(key)
			checkEvent(t, c.AppendCloudEvent(nil), "real", Spec{Namespace: namespace})
			if alone := strings.HasPrefix(string(c.Object), wire.MetadataOnly); alone != strings.HasPrefix(c.Key.Name, "odd") {
				t.Errorf("of %s was handed on: %.300s", key, c.Object)
			}
		}
	}
	wantLines(r, gvr)

	crd := `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"oddities.odd.example.com"},"spec":{
		"group":"odd.example.com","scope":"Namespaced","names":{"plural":"oddities","singular":"oddity","kind":"Oddity"},
		"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`
	r.create(crds, "", "%s", crd)
	odd := follow(t, cluster.Config(), "oddities.odd.example.com?namespace="+namespace)
	r.eventually("the custom resource to be served", func() string {
		if err := post(oddities, `{"apiVersion":"odd.example.com/v1","kind":"Oddity","metadata":{"name":"plain"},"metadatum":1}`); err != nil && !strings.Contains(err.Error(), "already exists") {
			return err.Error()
		}
		return ""
	})
	for name, member := range map[string]string{
		"odd-metadata": `"Metadata":{"name":"other","namespace":"other"}`,
		"odd-kind":     `"Kind":"Secret","\u212aind":"Secret"`,
		"half":         `"x":"\ud800"`, // which the server itself replaces
	} {
		if err := post(oddities, fmt.Sprintf(`{"apiVersion":"odd.example.com/v1","kind":"Oddity","metadata":{"name":%q},%s}`, name, member)); err != nil {
			t.Fatal(err)
		}
	}
	gvr = schema.GroupVersionResource{Group: "odd.example.com", Version: "v1", Resource: "oddities"}
	wantLines(odd, gvr)
}
