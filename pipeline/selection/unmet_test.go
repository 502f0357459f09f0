package selection

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Each expression that is false is named, and none that is true or fails.
func TestUnmet(t *testing.T) {
	rules, err := Parse(Texts{Where: []string{
		"pods: object.metadata.name == 'a'", "*: object.metadata.namespace == 'x'", "pods: object.spec.missing == 'b'", "nodes: false",
	}}, ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pods := Resource{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Kind: "Pod", Namespaced: true}
	p := rules.For(pods, Cluster{Name: "c"})
	o := Object{JSON: []byte(`{"metadata":{"name":"b","namespace":"y"},"spec":{}}`), Op: Added}
	if got, want := p.Unmet(o), []string{"object.metadata.name == 'a'", "object.metadata.namespace == 'x'"}; !slices.Equal(got, want) {
		t.Errorf("unmet: %q, want %q", got, want)
	}
	o.JSON = []byte(`{"metadata":{"name":"a","namespace":"x"},"spec":{}}`)
	if got := p.Unmet(o); got != nil {
		t.Errorf("unmet of a selected object: %q", got)
	}
	if got := (*Program)(nil).Unmet(o); got != nil {
		t.Errorf("unmet without rules: %q", got)
	}
}
