package app

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// mostRecent is how many answers of sinks are remembered: of all routes together, in about
// 1 MiB.
const mostRecent = 4096

// answer is what a sink has answered about one change.
type answer struct {
	route      string
	key        pipeline.Key
	resource   schema.GroupVersionResource
	op         pipeline.Op
	snapshot   bool
	tombstone  bool
	generation uint32
	uid        types.UID
	version    string
	observed   time.Time
	at         time.Time
	refused    string // why it was not accepted; empty: it was
	dead       bool   // it was given up: a dead letter
	object     []byte // a copy, if somebody wants it
	omitted    bool   // there was an object, and it was not copied
}

// id is the id of the event.
func (a *answer) id() string {
	c := pipeline.Change{
		Origin: &pipeline.Origin{Resource: a.resource}, Op: a.op, UID: a.uid, ResourceVersion: a.version, Generation: a.generation,
	}
	return c.ID()
}

// recent remembers the last answers of sinks. Each has a number, which grows by one:
//
//	stages ──▶ observe ──▶ 4096 answers ──▶ scan ──▶ readers, each at its own pace
//	                            └──────────▶ last
//
// A stage takes a lock for some 100 ns for each, however many readers there are: they look
// for themselves, and who is too slow misses some.
type recent struct {
	copies copies // of objects

	mu      sync.Mutex
	answers []answer // that with the number n is at n modulo mostRecent
	next    uint64   // number
	bytes   int      // of copies
	copied  uint64   // the answers before that number have none
}

// observe remembers an answer. It is called by stages.
func (r *recent) observe(route string, d stage.Delivery) {
	c := d.Change
	a := answer{
		route: route, key: c.Key, op: c.Op, snapshot: c.Snapshot, tombstone: c.Tombstone, generation: c.Generation,
		uid: c.UID, version: c.ResourceVersion, observed: c.Observed, at: time.Now(),
		dead: d.DeadLettered, omitted: c.Object != nil,
	}
	if c.Origin != nil {
		a.resource = c.Origin.Resource
	}
	if d.Refused != nil {
		a.refused = redact.Cut(d.Refused.Error(), redact.Longest)
	}
	if a.omitted && r.copies.wanted(route, c) {
		a.object, a.omitted = append([]byte(nil), c.Object...), false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.answers) < mostRecent {
		r.answers = append(r.answers, a)
	} else {
		at := &r.answers[r.next%mostRecent]
		r.bytes -= len(at.object)
		*at = a
	}
	r.next++
	for r.bytes += len(a.object); r.bytes > mostCopied; r.copied++ {
		r.copied = max(r.copied, r.next-uint64(len(r.answers)))
		r.dropLocked(&r.answers[r.copied%mostRecent])
	}
}

// dropLocked gives up the copy of an object.
func (r *recent) dropLocked(a *answer) {
	r.bytes -= len(a.object)
	a.object, a.omitted = nil, a.omitted || a.object != nil
}

// scanned is how many answers scan looks at. Stages wait meanwhile, for a few microseconds.
const scanned = 256

// scan has see look at answers from a number on that are still remembered, of which it keeps
// nothing but copies. It returns the number of the first one that it has not come to, and
// how many were forgotten before it began.
func (r *recent) scan(number uint64, see func(*answer)) (next, missed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if oldest := r.next - uint64(len(r.answers)); number < oldest {
		missed = oldest - number
		number = oldest
	}
	for end := min(r.next, number+scanned); number < end; number++ {
		see(&r.answers[number%mostRecent])
	}
	return number, missed
}

// now returns the number of the next answer.
func (r *recent) now() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

// last returns the newest answer by which a state of an object was settled for a route: its
// sink has accepted it, or it is a dead letter.
func (r *recent) last(route string, key pipeline.Key) (a answer, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := r.next; n > r.next-uint64(len(r.answers)); n-- {
		at := &r.answers[(n-1)%mostRecent]
		if at.refused == "" && at.key == key && at.route == route {
			return *at, true
		}
	}
	return answer{}, false
}

// forgetObjects gives up all copies, unless somebody wants some.
func (r *recent) forgetObjects() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.copies.wanters.Load() != nil {
		return
	}
	for i := range r.answers {
		r.dropLocked(&r.answers[i])
	}
}
