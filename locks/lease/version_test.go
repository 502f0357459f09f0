package lease

import (
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A resourceVersion that is no number gives no token, and transitions are what is left.
func TestVersion(t *testing.T) {
	for _, test := range []struct {
		resourceVersion string
		transitions     *int32
		want            uint64
	}{
		{"4711", new(int32(3)), 4711},
		{"18446744073709551615", nil, 1<<64 - 1},
		{"18446744073709551616", new(int32(3)), 4},
		{"v1:abc", new(int32(0)), 1},
		{"", new(int32(-5)), 1},
		{"-1", nil, 1},
	} {
		got := version(&coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{ResourceVersion: test.resourceVersion},
			Spec:       coordinationv1.LeaseSpec{LeaseTransitions: test.transitions},
		})
		if got != test.want {
			t.Errorf("%q: %d, want %d", test.resourceVersion, got, test.want)
		}
	}
}
