package bench

import (
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
	"github.com/fairlead-dev/fairlead/ratelimit"
)

// BenchmarkFirstSync is the time from the start until all of two simulated
// members with 2,000 ConfigMaps each is in: accepted by the sink, with the limits
// that `fairlead run` has by default, or told to the handlers of an informer for
// each member. The goal is at most 1.2 times the informers' time.
func BenchmarkFirstSync(b *testing.B) {
	const members, objects = 2, 2000
	helper := startHelper(b, "members", simserver.Options{Clusters: members, Resources: []string{"configmaps"}, Objects: objects})
	var at membersReply
	helper.ask(membersRequest{}, &at)
	configs := make([]*rest.Config, members)
	for i := range configs {
		configs[i] = at.config(i)
	}
	b.Run("impl=fairlead", func(b *testing.B) {
		for range b.N {
			p := startProgram(b, programOptions{
				ledger: filepath.Join(b.TempDir(), "ledger"), members: configs, watches: []string{"configmaps"},
				buckets: ratelimit.New(ratelimit.Limit{QPS: 200, Burst: 400}),
			})
			p.await(b, members*objects)
			b.StopTimer()
			p.end()
			b.StartTimer()
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/sync")
	})
	for _, kind := range informers[:1] {
		b.Run("impl="+kind.name, func(b *testing.B) {
			for range b.N {
				all := make([]follower, members)
				for i := range all {
					all[i] = kind.start(b, configs[i])
				}
				for _, f := range all {
					f.await(b, objects)
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
