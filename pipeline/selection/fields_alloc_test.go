//go:build !race

package selection

import "testing"

func TestNoAllocForFields(t *testing.T) {
	p := programFor(t, podResource, Texts{Changed: []string{"spec,status.phase,metadata.labels"}, Drop: []string{"spec.containers[*].env"}, Redact: []string{"metadata.annotations.*"}})
	object := Object{JSON: []byte(pod)}
	to := make([]byte, 0, p.ShapedSize(len(pod)))
	if n := testing.AllocsPerRun(200, func() {
		p.Digest(object)
		to = p.AppendShaped(to[:0], object.JSON)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
