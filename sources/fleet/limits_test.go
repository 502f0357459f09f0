package fleet

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLimits(t *testing.T) {
	for _, tc := range []struct {
		annotations map[string]string
		want        Limits
		err         string
	}{
		{map[string]string{"other": "x"}, Limits{}, ""},
		{
			map[string]string{annotationQPS: "0.5", annotationBurst: "1", annotationWeight: "2", annotationPaused: "true"},
			Limits{QPS: new(0.5), Burst: new(1), Weight: new(2), Paused: true}, "",
		},
		{map[string]string{annotationQPS: "0", annotationPaused: "false"}, Limits{QPS: new(0.0)}, ""},
		{map[string]string{annotationQPS: "-1"}, Limits{}, "fairlead.dev/qps"},
		{map[string]string{annotationQPS: "NaN"}, Limits{}, "fairlead.dev/qps"},
		{map[string]string{annotationQPS: "Inf"}, Limits{}, "fairlead.dev/qps"},
		{map[string]string{annotationBurst: "0"}, Limits{}, "fairlead.dev/burst"},
		{map[string]string{annotationBurst: "9999999999999"}, Limits{}, "fairlead.dev/burst"},
		{map[string]string{annotationWeight: "1.5"}, Limits{}, "fairlead.dev/weight"},
		{map[string]string{annotationPaused: "yes"}, Limits{}, "fairlead.dev/paused"},
		{map[string]string{annotationWeight: strings.Repeat("9", 5000)}, Limits{}, "fairlead.dev/weight"},
	} {
		got, err := parseLimits(tc.annotations)
		if tc.err == "" {
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%v: %v (-want +got):\n%s", tc.annotations, err, diff)
			}
			if !got.Equal(tc.want) || !tc.want.Equal(got) {
				t.Errorf("%v: not equal to itself", tc.annotations)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.err) || len(err.Error()) > 200 {
			t.Errorf("%v: error %v", tc.annotations, err)
		}
	}
}

func TestLimitsOver(t *testing.T) {
	type limits struct {
		qps           float64
		burst, weight int
	}
	over := func(l Limits) limits {
		qps, burst, weight := l.Over(200, 400, 1)
		return limits{qps, burst, weight}
	}
	if got := over(Limits{}); got != (limits{200, 400, 1}) {
		t.Errorf("nothing set: %v", got)
	}
	if got := over(Limits{QPS: new(0.0), Burst: new(3), Weight: new(2)}); got != (limits{0, 3, 2}) {
		t.Errorf("all set: %v", got)
	}
	if (Limits{QPS: new(1.0)}).Equal(Limits{QPS: new(2.0)}) || (Limits{Burst: new(1)}).Equal(Limits{}) || (Limits{Paused: true}).Equal(Limits{}) {
		t.Error("different limits are equal")
	}
}
