package stream

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What wildcards may stand for, and is not among what they come to, is counted: what there is no place
// for, and groups that could not be read.
func TestWhatWildcardsMayStandFor(t *testing.T) {
	var resources []metav1.APIResource
	for _, name := range []string{"pods", "services", "configmaps", "events"} {
		resources = append(resources, metav1.APIResource{Name: name, Kind: name, Namespaced: true, Verbs: metav1.Verbs{"list", "watch"}})
	}
	core := &metav1.APIGroup{Versions: []metav1.GroupVersionForDiscovery{{GroupVersion: "v1", Version: "v1"}}}
	core.PreferredVersion = core.Versions[0]
	failed := map[schema.GroupVersion]error{}
	for _, gv := range []schema.GroupVersion{{Group: "metrics.example.com", Version: "v1"}, {Group: "metrics.example.com", Version: "v2"}, {Group: "x.example.com", Version: "v1"}} {
		failed[gv] = errors.New("no answer")
	}
	catalog := &Catalog{&served{all: newCatalog([]*metav1.APIGroup{core}, []*metav1.APIResourceList{{GroupVersion: "v1", APIResources: resources}}, failed)}}
	for _, test := range []struct {
		wildcards, excluded string
		most, want, missing int
	}{
		{"*", "", 0, 3, 2},
		{"*", "", 2, 2, 3},
		{"*", "*.x.example.com", 0, 3, 1},
		{"*.x.example.com", "", 0, 0, 1},
		{"*.apps", "", 0, 0, 0},
	} {
		var excluded []Spec
		if test.excluded != "" {
			var err error
			if excluded, err = ParseExclusions([]string{test.excluded}); err != nil {
				t.Fatal(err)
			}
		}
		follow, missing, err := catalog.Expand(t.Context(), nil, []Spec{mustParse(t, test.wildcards)}, excluded, test.most)
		if err != nil || len(follow) != test.want || missing != test.missing {
			t.Errorf("%+v: %d are followed, %d are missing: %v", test, len(follow), missing, err)
		}
	}
}
