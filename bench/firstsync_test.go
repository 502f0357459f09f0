package bench

import (
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// BenchmarkFirstSync is the time from the start until all of two simulated
// members with 2,000 ConfigMaps each is in, or of one with 10,000: accepted by the sink, with
// the limits that `fairlead run` has by default, or told to the handlers of an informer for
// each member. The goal is at most 1.2 times the informers' time.
func BenchmarkFirstSync(b *testing.B) {
	for _, of := range []struct {
		labels           string
		members, objects int
	}{{"", 2, 2000}, {"objects=10000/", 1, 10_000}} {
		helper := startHelper(b, "members", simserver.Options{Clusters: of.members, Resources: []string{"configmaps"}, Objects: of.objects})
		var at membersReply
		helper.ask(membersRequest{}, &at)
		configs := make([]*rest.Config, of.members)
		for i := range configs {
			configs[i] = at.config(i)
		}
		b.Run(of.labels+"impl=fairlead", func(b *testing.B) {
			for range b.N {
				p := startProgram(b, programOptions{
					ledger: filepath.Join(b.TempDir(), "ledger"), members: configs, watches: []string{"configmaps"}, buckets: defaultBuckets(),
				})
				p.await(b, of.members*of.objects)
				b.StopTimer()
				p.end()
				b.StartTimer()
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/sync")
		})
		for _, kind := range informers[:1] {
			b.Run(of.labels+"impl="+kind.name, func(b *testing.B) {
				for range b.N {
					all := make([]follower, of.members)
					for i := range all {
						all[i] = kind.start(b, configs[i])
					}
					for _, f := range all {
						f.await(b, of.objects)
					}
					b.StopTimer()
					for _, f := range all {
						f.end()
					}
					b.StartTimer()
				}
				b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/sync")
			})
		}
	}
}

// defaultBuckets are those of `fairlead run`, whose snapshots have no limit.
func defaultBuckets() *ratelimit.Buckets { return ratelimit.New(ratelimit.Limit{QPS: 200, Burst: 400}) }
