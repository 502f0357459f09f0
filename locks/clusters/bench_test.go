package clusters_test

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// synced are flags of an etcd that must not lose what it has acknowledged.
var synced = []string{"--unsafe-no-fsync=false"}

// BenchmarkLock measures calls of a lock in three control planes, which have each write on
// disk before they answer. A call returns when two of them have.
func BenchmarkLock(b *testing.B) {
	var specs []testenv.Spec
	for _, name := range []string{"a", "b", "c"} {
		specs = append(specs, testenv.Spec{Name: name, EtcdFlags: synced})
	}
	f := &fleet{Env: testenv.Start(b, specs...)}
	l := open(b, f.direct(), "lock", "a")
	record := func() resourcelock.LeaderElectionRecord {
		return resourcelock.LeaderElectionRecord{HolderIdentity: "a", LeaseDurationSeconds: 15, AcquireTime: metav1.Now(), RenewTime: metav1.Now()}
	}
	if err := l.Create(b.Context(), record()); err != nil {
		b.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Get": func() error {
			_, _, err := l.Get(b.Context())
			return err
		},
		"Update": func() error { return l.Update(b.Context(), record()) },
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if err := call(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			for _, percent := range []int{50, 99} {
				at := took[(len(took)-1)*percent/100]
				b.ReportMetric(float64(at.Microseconds())/1000, map[int]string{50: "p50-ms", 99: "p99-ms"}[percent])
			}
		})
	}
}
