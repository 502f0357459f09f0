package bench

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// quietMember is the cluster that has a change every 13 ms, as a program with two simulated
// members calls the first one.
const quietMember = "member-0"

// wholeFloodRate is how many changes per second the other one has.
const wholeFloodRate = 10_000

// wholeFlood is two simulated members in a process of their own.
type wholeFlood struct {
	helper   *helper
	members  membersReply
	arrivals *arrivals // of the quiet one
	sink     *slowSink
}

func newWholeFlood(b *testing.B, sink *slowSink) *wholeFlood {
	f := &wholeFlood{
		helper: startHelper(b, "members", simserver.Options{
			Clusters: 2, Resources: []string{"configmaps"}, Objects: 1500, Window: 300_000, // more than come
		}),
		arrivals: newArrivals(), sink: sink,
	}
	f.helper.ask(membersRequest{}, &f.members)
	f.arrivals.of, f.arrivals.sink = quietMember, sink
	return f
}

// begin has both members change. known is whether the quiet one's objects are known.
func (f *wholeFlood) begin(known bool) {
	f.helper.ask(membersRequest{Beat: 13 * time.Millisecond, Known: known, Flood: wholeFloodRate}, nil)
}

// end ends that, and tells the sink how long it took from each change of the quiet member in the
// time in which it measured until it accepted that change.
func (f *wholeFlood) end(b *testing.B) {
	var reply membersReply
	f.helper.ask(membersRequest{}, &reply)
	for _, beat := range reply.Beats {
		if beat.At.After(f.sink.from) && beat.At.Before(f.sink.to) {
			f.sink.quiet = append(f.sink.quiet, f.arrivals.await(b, beat).Sub(beat.At))
		}
	}
}

// startWhole starts a program, with streams and a ledger in a file, and members with 1,500 known
// objects. known is whether the quiet one's changes are of these, or of new objects, which
// the ledger stores before the sink receives them.
func startWhole(known bool) starter {
	return func(b *testing.B, sink *slowSink) (stop func()) {
		f := newWholeFlood(b, sink)
		p := startProgram(b, programOptions{
			ledger: filepath.Join(b.TempDir(), "ledger"), watches: []string{"configmaps"}, sink: f.arrivals,
			members: []*rest.Config{f.members.config(0), f.members.config(1)},
		})
		p.awaitLive(b, 2)
		p.awaitAcked(b)
		f.begin(known)
		return func() {
			f.end(b)
			p.end()
		}
	}
}

// startWholeByHand starts what is written by hand in its place: a goroutine for each member, which
// watches and writes one change after the other. For the sink's lock see startByHand.
func startWholeByHand(b *testing.B, sink *slowSink) (stop func()) {
	f := newWholeFlood(b, sink)
	var writing sync.Mutex
	var stops []func()
	for i, name := range []string{quietMember, "member-1"} {
		config := f.members.config(i)
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			b.Fatal(err)
		}
		listed, err := client.Resource(configMapsGVR).List(b.Context(), metav1.ListOptions{})
		if err != nil {
			b.Fatal(err)
		}
		watch, err := client.Resource(configMapsGVR).Watch(b.Context(), metav1.ListOptions{ResourceVersion: listed.GetResourceVersion()})
		if err != nil {
			b.Fatal(err)
		}
		origin := &pipeline.Origin{Cluster: name, Kind: "ConfigMap", Resource: configMapsGVR}
		stops = append(stops, watch.Stop, background(b, func(ctx context.Context) {
			for event := range watch.ResultChan() {
				o, ok := event.Object.(*unstructured.Unstructured)
				if !ok {
					return
				}
				text, err := o.MarshalJSON()
				if err != nil {
					return
				}
				writing.Lock()
				_ = f.arrivals.Write(ctx, []*pipeline.Change{{ // it cannot fail
					Key:    pipeline.Key{Cluster: name, Resource: "configmaps", Namespace: o.GetNamespace(), Name: o.GetName()},
					Origin: origin, Op: pipeline.Updated, UID: o.GetUID(), ResourceVersion: o.GetResourceVersion(), Object: text,
				}})
				writing.Unlock()
			}
		}))
	}
	f.begin(true)
	return func() {
		f.end(b)
		stopAll(stops)
	}
}
