package bench

import (
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
)

// BenchmarkRestart is what a restart costs when all of 100,000 objects have been
// delivered: the lists that the member has to answer, what is delivered once
// more, and the time from the start until changes are followed again. A program
// of informers lists, decodes and hands out everything anew. The member is
// simulated: it lists faster than a real one would.
func BenchmarkRestart(b *testing.B) {
	const objects = 100_000
	setUp := func(b *testing.B) (*helper, *rest.Config) {
		helper := startHelper(b, "members", simserver.Options{Objects: objects})
		var members membersReply
		helper.ask(membersRequest{}, &members)
		return helper, members.config(0)
	}
	report := func(b *testing.B, lists, redeliveries int64, live time.Duration) {
		b.ReportMetric(float64(lists)/float64(b.N), "lists/op")
		b.ReportMetric(float64(redeliveries)/float64(b.N), "redeliveries/op")
		b.ReportMetric(float64(live)/float64(b.N), "live-ns")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("impl=fairlead", func(b *testing.B) {
		helper, config := setUp(b)
		o := programOptions{ledger: filepath.Join(b.TempDir(), "ledger"), members: []*rest.Config{config}, watches: []string{"configmaps"}}
		first := startProgram(b, o)
		first.await(b, objects)
		first.awaitLive(b, 1)
		first.awaitAcked(b)
		first.end()
		var before, after membersReply
		helper.ask(membersRequest{}, &before)
		var redeliveries int64
		var live time.Duration
		for range b.N {
			start := time.Now()
			p := startProgram(b, o)
			p.awaitLive(b, 1)
			live += time.Since(start)
			// What would be delivered again came before a change that is made now.
			helper.ask(membersRequest{Touch: 1}, nil)
			p.await(b, 1)
			p.awaitAcked(b)
			redeliveries += int64(p.total() - 1)
			p.end()
		}
		helper.ask(membersRequest{}, &after)
		report(b, after.Stats.Lists-before.Stats.Lists, redeliveries, live)
	})
	b.Run("impl=informer", func(b *testing.B) {
		helper, config := setUp(b)
		var before, after membersReply
		helper.ask(membersRequest{}, &before)
		var redeliveries int64
		var live time.Duration
		for range b.N {
			start := time.Now()
			f := informers[0].start(b, config)
			f.await(b, objects)
			live += time.Since(start)
			f.end()
			redeliveries += int64(f.(*informer).total())
		}
		helper.ask(membersRequest{}, &after)
		report(b, after.Stats.Lists-before.Stats.Lists, redeliveries, live)
	})
}
