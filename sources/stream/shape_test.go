package stream

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// A shaped object takes no more memory than its form needs, and what it was made in goes
// back.
func TestShapedObjectsFitTheirBuffers(t *testing.T) {
	r := resource{gvr: configMaps, kind: "ConfigMap", namespaced: true}
	p := rulesOf(t, selection.Texts{Only: []string{"configmaps: data.small"}}).For(r.selected(), selection.Cluster{})
	for _, size := range []int{10, 300, 5000, 100_000} {
		object := fmt.Appendf(nil, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","namespace":"ns","uid":"u","resourceVersion":"1"},"data":{"small":"v","large":%q}}`,
			strings.Repeat("x", size))
		buffers := new(wire.Buffers)
		first := buffers.Get(len(object))
		buffers.Put(first)
		shaped := shape(buffers, p, object)
		if len(shaped) >= len(object) || !strings.Contains(string(shaped), `"small":"v"`) {
			t.Fatalf("%s of %s", shaped, object)
		}
		if got := cap(shaped); got != wire.BufferSize(len(shaped)) {
			t.Errorf("an object of %d bytes takes %d in a form of %d", len(object), got, len(shaped))
		}
		pooled := len(object) <= 16<<10 && wire.BufferSize(len(object)) != wire.BufferSize(len(shaped))
		if again := buffers.Get(len(object)); pooled && &again[:1][0] != &first[:1][0] {
			t.Errorf("the buffer for an object of %d bytes does not come back", len(object))
		}
	}
}
