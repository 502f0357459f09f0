package selection

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

// TestTopLevelFields compares the fields that expressions may read with those that the
// types of Kubernetes have.
func TestTopLevelFields(t *testing.T) {
	var want []string
	for gvk, typ := range scheme.Scheme.AllKnownTypes() {
		if _, object := reflect.PointerTo(typ).MethodByName("GetManagedFields"); !object || gvk.Version == "__internal" {
			continue
		}
		for i := range typ.NumField() {
			if name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); name != "" && name != "metadata" {
				want = append(want, name)
			}
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if !slices.Equal(topLevel, want) {
		t.Errorf("topLevel is\n%q, and the types have\n%q", topLevel, want)
	}
	for i, meta := 0, reflect.TypeFor[metav1.ObjectMeta](); i < meta.NumField(); i++ {
		name, _, _ := strings.Cut(meta.Field(i).Tag.Get("json"), ",")
		if _, known := fieldTypes["ObjectMeta"][name]; !known && name != "managedFields" {
			t.Errorf("the metadata have %s, and fieldTypes has not", name)
		}
	}
}
