package bench

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// BenchmarkLiveInSync is what live changes wait while a member is read for the first time: from
// when an object is made until the sink has accepted it, or the handler of an informer is told.
// The member has 10,000 ConfigMaps and ten Secrets, and gets more of both meanwhile. The
// Secrets have another watch than what is read: p99-ns, from when the first one is in, as their
// watch has begun then. ConfigMaps come behind what is read, by Kubernetes' own rules:
// same-p99-ns, from the start.
//
// Before a sink that takes 5 ms for each change the first sync takes a minute. Only Secrets are
// looked at there, for some seconds of it. See liveWrites and liveStored for what they may wait.
// The sink's time is the one that its writes have taken.
func BenchmarkLiveInSync(b *testing.B) {
	b.Run("sink=null/impl=fairlead", func(b *testing.B) {
		liveInSync(b, func(b *testing.B, config *rest.Config, a *arrivals) func() { return syncInto(b, config, a) })
	})
	b.Run("sink=null/impl=dynamic", func(b *testing.B) { liveInSync(b, syncInformers) })
	b.Run("sink=5ms-each/impl=fairlead", liveBesideSlowSink)
}

// liveWrites is for how many writes of a serial sink a live change waits, itself among them, while
// its cluster is read for the first time. Of what is read, one is being written, and one is taken
// from the queue before that write ends. Each eighth turn of the lane is one's of the snapshot
// class. And the Secret before may have waited for the same transaction.
const liveWrites = 5

// liveStored is for how long a new object waits to be stored in the ledger: transactions begin 10
// ms apart, and one may take as long.
const liveStored = 20 * time.Millisecond

// syncedResources are what is read of the member: the first one is large.
var syncedResources = []string{"configmaps", "secrets"}

const syncedObjects, besideObjects = 10_000, 10

// startSynced starts the member.
func startSynced(b *testing.B) (*helper, *rest.Config) {
	helper := startHelper(b, "members", simserver.Options{
		Resources: syncedResources, Objects: syncedObjects, ObjectsOf: map[string]int{syncedResources[1]: besideObjects},
	})
	var at membersReply
	helper.ask(membersRequest{}, &at)
	return helper, at.config(0)
}

// liveInSync measures whole first syncs, each of a new member.
func liveInSync(b *testing.B, start func(b *testing.B, config *rest.Config, a *arrivals) (stop func())) {
	waits := map[string][]time.Duration{}
	for range b.N {
		helper, config := startSynced(b)
		a := newArrivals()
		helper.ask(membersRequest{Beat: 2 * time.Millisecond}, nil)
		began := time.Now()
		stop := start(b, config, a)
		synced := a.awaitFirst(b)
		var reply membersReply
		helper.ask(membersRequest{}, &reply)
		live := synced // when the first Secret was in that was made meanwhile
		for _, beat := range reply.Beats {
			if at := a.await(b, beat); beat.Resource == syncedResources[1] && at.Before(live) {
				live = at
			}
		}
		from := map[string]time.Time{syncedResources[0]: began, syncedResources[1]: live}
		for _, beat := range reply.Beats {
			if beat.At.After(from[beat.Resource]) && beat.At.Before(synced) {
				waits[beat.Resource] = append(waits[beat.Resource], a.await(b, beat).Sub(beat.At))
			}
		}
		stop()
	}
	b.ReportMetric(p99(b, waits[syncedResources[1]]), "p99-ns")
	b.ReportMetric(p99(b, waits[syncedResources[0]]), "same-p99-ns")
	b.ReportMetric(0, "ns/op")
}

// liveBesideSlowSink measures a part of a first sync that takes a minute.
func liveBesideSlowSink(b *testing.B) {
	const each, warmUp, last = 13 * time.Millisecond, time.Second, 4 * time.Second
	sink := &slowSink{took: func(n int) time.Duration { return time.Duration(n) * 5 * time.Millisecond }}
	helper, config := startSynced(b)
	a := newArrivals()
	a.sink = sink
	stop := syncInto(b, config, a)
	helper.ask(membersRequest{Beat: each}, nil)
	until(b, "the first live change", func() bool { return a.seen() > 0 })
	pass(b, warmUp)
	sink.reset(true)
	probe := probeCores(b)
	from := time.Now()
	for range b.N {
		pass(b, last)
	}
	to := time.Now()
	late := probe()
	sink.reset(false)
	var reply membersReply
	helper.ask(membersRequest{}, &reply)
	var waits []time.Duration
	for _, beat := range reply.Beats {
		if beat.Resource == syncedResources[1] && beat.At.After(from) && beat.At.Before(to) {
			waits = append(waits, a.await(b, beat).Sub(beat.At))
		}
	}
	if a.isFull() {
		b.Fatal("the first sync was over before the end")
	}
	stop()
	longer := float64(sink.own) / float64(sink.wanted)
	b.ReportMetric(float64(sink.accepted)/to.Sub(from).Seconds(), "changes/s")
	b.ReportMetric(p99(b, waits), "p99-ns")
	b.ReportMetric(longer*float64(sink.took(liveWrites))+float64(liveStored), "limit-ns")
	b.ReportMetric(p99(b, late), "timer-p99-ns")
	b.ReportMetric(float64(sink.largest), "largest-batch")
	b.ReportMetric(0, "ns/op")
}

// p99 returns the 99th percentile, in nanoseconds.
func p99(b *testing.B, waits []time.Duration) float64 {
	b.Helper()
	if len(waits) < 20 {
		b.Fatalf("there were %d only", len(waits))
	}
	slices.Sort(waits)
	return float64(waits[len(waits)*99/100])
}

// syncInto starts a program whose sink the arrivals are.
func syncInto(b *testing.B, config *rest.Config, a *arrivals) (stop func()) {
	return startProgram(b, programOptions{
		ledger: filepath.Join(b.TempDir(), "ledger"), members: []*rest.Config{config}, watches: syncedResources,
		sink: a, buckets: defaultBuckets(),
	}).end
}

// syncInformers starts an informer for each resource, whose handler tells the arrivals.
func syncInformers(b *testing.B, config *rest.Config, a *arrivals) (stop func()) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	told := func(o any) {
		if o, ok := o.(metav1.Object); ok {
			a.note(o.GetResourceVersion())
		}
	}
	var stops []func()
	for _, resource := range syncedResources {
		gvr := configMapsGVR
		gvr.Resource = resource
		shared := cache.NewSharedIndexInformer(listWatch(client, client.Resource(gvr)), &unstructured.Unstructured{}, 0,
			cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
		if _, err := shared.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: told}); err != nil {
			b.Fatal(err)
		}
		stops = append(stops, background(b, func(ctx context.Context) { shared.RunWithContext(ctx) }))
	}
	return func() { stopAll(stops) }
}

// arrivals is when objects have arrived, by their resourceVersions. It is a sink.
type arrivals struct {
	sink pipeline.Sink // before it; nil: none
	of   string        // the cluster whose objects these are; "": there is one only

	mu    sync.Mutex
	at    map[uint64]time.Time
	first int       // how many there are of those that the member had at the start
	full  time.Time // when all of these had arrived
}

func newArrivals() *arrivals { return &arrivals{at: map[uint64]time.Time{}} }

// firstVersion is the newest version of what the member has at the start.
const firstVersion = syncedObjects + besideObjects

// Write implements pipeline.Sink.
func (a *arrivals) Write(ctx context.Context, changes []*pipeline.Change) error {
	if a.sink != nil {
		if err := a.sink.Write(ctx, changes); err != nil {
			return err
		}
	}
	for _, c := range changes {
		if a.of == "" || c.Key.Cluster == a.of {
			a.note(c.ResourceVersion)
		}
	}
	return nil
}

func (a *arrivals) note(resourceVersion string) {
	now := time.Now()
	version, _ := strconv.ParseUint(resourceVersion, 10, 64) // the simulated members have numbers
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, again := a.at[version]; again {
		return
	}
	a.at[version] = now
	if version <= firstVersion {
		if a.first++; a.first == firstVersion {
			a.full = now
		}
	}
}

// awaitFirst returns when all that the member had at the start was in.
func (a *arrivals) awaitFirst(b *testing.B) time.Time {
	b.Helper()
	until(b, "the first sync", a.isFull)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.full
}

func (a *arrivals) isFull() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.full.IsZero()
}

// seen returns how many have arrived that the member did not have at the start.
func (a *arrivals) seen() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.at) - a.first
}

// await returns when an object has arrived.
func (a *arrivals) await(b *testing.B, made beat) (at time.Time) {
	b.Helper()
	until(b, "an object that was made during the first sync", func() (ok bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		at, ok = a.at[made.Version]
		return ok
	})
	return at
}
