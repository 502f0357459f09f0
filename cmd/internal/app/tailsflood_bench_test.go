package app

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// BenchmarkTailsAtAFlood is what the looks of the tails of BenchmarkReaders cost at a flood, of
// which more has come since the look before than is remembered, without writing to clients. It is
// the part of that benchmark that does not depend on what else the machine does.
//
// looks-ns is those of one step, in the median. share-of-2 is the share of two processors that the looks of a second take.
func BenchmarkTailsAtAFlood(b *testing.B) {
	var r recent
	var all []*tail
	for i := range manyReaders {
		one, end := lookingTail(b, &r, io.Discard, must(url.ParseQuery(strings.TrimPrefix(tailOf(i), "/tail?")))(b))
		defer end()
		all = append(all, one)
	}
	object := []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{"x":"` + strings.Repeat("a", 1<<10) + `"}}`)
	var changes []*pipeline.Change
	for i := range 2 * mostRecent {
		cluster := floodCluster(i % readersLanes)
		changes = append(changes, &pipeline.Change{
			Key:    pipeline.Key{Cluster: cluster, Resource: "pods", Namespace: "n", Name: fmt.Sprint("p", i)},
			Origin: &pipeline.Origin{Cluster: cluster, Resource: podsOrigin.Resource, Kind: "Pod", Namespaced: true}, Op: pipeline.Updated,
			UID: "0a1b2c3d-0000-4000-8000-000000000001", ResourceVersion: "123456", Object: object, Observed: time.Now(),
		})
	}
	now := time.Now().Truncate(tailPause)
	due := make([]time.Time, len(all))
	var looks []time.Duration
	for b.Loop() {
		var took time.Duration
		for range tailPause / tailStep {
			for _, c := range changes {
				d := podDelivery("", 0, "")
				d.Change = c
				r.observe("encodes:", d)
			}
			now = now.Add(tailStep)
			began := time.Now()
			for i, one := range all {
				if now.Before(due[i]) {
					continue
				}
				if _, err := one.look(now); err != nil {
					b.Fatal(err)
				}
				due[i] = now.Add(one.untilLook(now))
			}
			took += time.Since(began)
		}
		looks = append(looks, took)
	}
	slices.Sort(looks)
	perPause := float64(looks[len(looks)/2]) // of a machine that does much else, the mean is of that
	b.ReportMetric(perPause/float64(tailPause/tailStep), "looks-ns")
	b.ReportMetric(perPause/float64(tailPause)/2, "share-of-2")
}
