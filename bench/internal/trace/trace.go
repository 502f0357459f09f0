package trace

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// Options are the size of a cluster and what goes on in it. Zero values are those of
// published figures, see the package's documentation, of 200 nodes for half an hour.
type Options struct {
	Nodes       int
	PodsPerNode int
	PodLife     time.Duration // on average
	Duration    time.Duration // of Live
	Seed        uint64
}

func (o Options) withDefaults() Options {
	if o.Nodes == 0 {
		o.Nodes = 200
	}
	if o.PodsPerNode == 0 {
		o.PodsPerNode = 30
	}
	if o.PodLife == 0 {
		o.PodLife = 48 * time.Hour
	}
	if o.Duration == 0 {
		o.Duration = 30 * time.Minute
	}
	return o
}

// Resource is what the watch of one resource shows.
type Resource struct {
	Plural, Group, Kind string // of version v1
	Namespaced          bool
	Objects             int    // that there are at first
	Initial             []byte // one ADDED frame for each
	Events              int    // after that
	Live                []byte // one frame for each
	Version             string // the highest resourceVersion of Initial
}

// Trace is what the watches of a cluster show.
type Trace struct {
	Leases, Nodes, Pods, Events Resource
}

// Resources returns all of them.
func (t *Trace) Resources() []*Resource { return []*Resource{&t.Leases, &t.Nodes, &t.Pods, &t.Events} }

// generator plays what happens in a cluster.
type generator struct {
	o       Options
	random  *rand.Rand
	now     time.Time
	version int
	live    bool
	coming  agenda
	trace   Trace
	last    map[string]any // objects by UID, as their watch has shown them last
	pods    int
}

// begin is when Live begins.
var begin = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Make returns a trace.
func Make(given Options) *Trace {
	o := given.withDefaults()
	g := &generator{o: o, random: rand.New(rand.NewPCG(o.Seed, 200)), last: map[string]any{}}
	g.trace = Trace{
		Leases: Resource{Plural: "leases", Group: "coordination.k8s.io", Kind: "Lease", Namespaced: true},
		Nodes:  Resource{Plural: "nodes", Kind: "Node"},
		Pods:   Resource{Plural: "pods", Kind: "Pod", Namespaced: true},
		Events: Resource{Plural: "events", Kind: "Event", Namespaced: true},
	}
	// What came within an hour before is there, or will expire.
	g.now = begin.Add(-eventLife)
	g.populate()
	g.play(begin)
	g.list()
	g.live = true
	g.play(begin.Add(o.Duration))
	return &g.trace
}

// play does all that is due before a time.
func (g *generator) play(until time.Time) {
	for len(g.coming) > 0 && g.coming[0].at.Before(until) {
		next := heap.Pop(&g.coming).(event)
		g.now = next.at
		next.do()
	}
}

// in has something done after a while.
func (g *generator) in(d time.Duration, do func()) {
	heap.Push(&g.coming, event{g.now.Add(d), len(g.coming), do})
}

// every has something done at intervals, first at some time within one.
func (g *generator) every(interval time.Duration, do func()) {
	var again func()
	again = func() {
		do()
		g.in(interval, again)
	}
	g.in(time.Duration(g.random.Int64N(int64(interval))), again)
}

// object is what all objects have.
type object interface {
	version(string)
	uid() string
}

// show has the watch of a resource show a state.
func (g *generator) show(r *Resource, kind string, o object) {
	g.version++
	o.version(strconv.Itoa(g.version))
	if kind == "DELETED" {
		delete(g.last, r.Plural+o.uid())
	} else {
		g.last[r.Plural+o.uid()] = o
	}
	if g.live {
		r.Events++
		r.Live = appendFrame(r.Live, kind, o)
	}
}

// list fills in what there is when the watches begin.
func (g *generator) list() {
	for _, r := range g.trace.Resources() {
		r.Version = strconv.Itoa(g.version)
	}
	for _, key := range sortedKeys(g.last) {
		for _, r := range g.trace.Resources() {
			if bytes.HasPrefix([]byte(key), []byte(r.Plural)) {
				r.Objects++
				r.Initial = appendFrame(r.Initial, "ADDED", g.last[key])
			}
		}
	}
}

func appendFrame(to []byte, kind string, o any) []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("trace: encode an object: %v", err)) // not reached: they are of Kubernetes' types
	}
	to = append(to, `{"type":"`+kind+`","object":`...)
	to = append(to, text...)
	return append(to, "}\n"...)
}

// event is something that is to happen.
type event struct {
	at    time.Time
	order int
	do    func()
}

// agenda is a heap of them.
type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].order < a[j].order
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
