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
		{map[string]string{annotationSnapshotQPS: "20"}, Limits{SnapshotQPS: new(20.0)}, ""},
		{map[string]string{annotationSnapshotQPS: "none"}, Limits{}, "fairlead.dev/snapshot-qps"},
		{map[string]string{annotationQPS: "-1"}, Limits{}, "fairlead.dev/qps"},
		{map[string]string{annotationQPS: "1e-300"}, Limits{}, "fairlead.dev/paused"},
		{map[string]string{annotationQPS: "0.0009"}, Limits{}, "0.001"},
		{map[string]string{annotationQPS: "0.001"}, Limits{QPS: new(0.001)}, ""},
		{map[string]string{annotationMaxObjects: "7", annotationMaxLedgerBytes: "64Mi"}, Limits{MaxObjects: new(7), MaxLedgerBytes: new(int64(64 << 20))}, ""},
		{map[string]string{annotationMaxObjects: "0", annotationMaxLedgerBytes: "0"}, Limits{MaxObjects: new(0), MaxLedgerBytes: new(int64(0))}, ""},
		{map[string]string{annotationMaxObjects: "-1"}, Limits{}, "fairlead.dev/max-objects"},
		{map[string]string{annotationMaxObjects: "many"}, Limits{}, "fairlead.dev/max-objects"},
		{map[string]string{annotationMaxLedgerBytes: "-1Ki"}, Limits{}, "fairlead.dev/max-ledger-bytes"},
		{map[string]string{annotationMaxLedgerBytes: "9" + strings.Repeat("0", 30)}, Limits{}, "fairlead.dev/max-ledger-bytes"},
		{map[string]string{annotationMaxLedgerBytes: "100m"}, Limits{}, "fairlead.dev/max-ledger-bytes"},
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

func TestLimitsOverQuota(t *testing.T) {
	if objects, bytes := (Limits{}).OverQuota(5, 6); objects != 5 || bytes != 6 {
		t.Errorf("nothing set: %d, %d", objects, bytes)
	}
	if objects, bytes := (Limits{MaxObjects: new(0), MaxLedgerBytes: new(int64(3))}).OverQuota(5, 6); objects != 0 || bytes != 3 {
		t.Errorf("all set: %d, %d", objects, bytes)
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
