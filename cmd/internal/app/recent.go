package app

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/stage"
)

// mostRecent is how many answers of sinks are remembered at least: of all routes together, in
// about 1 MiB.
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
	hasObject  bool   // the change has one
}

// id is the id of the event.
func (a *answer) id() string {
	c := pipeline.Change{
		Origin: &pipeline.Origin{Resource: a.resource}, Op: a.op, UID: a.uid, ResourceVersion: a.version, Generation: a.generation,
	}
	return c.ID()
}

// kept is an answer that is remembered, with what was made of it for its readers. Any number
// of them may use it at once.
type kept struct {
	answer

	object atomic.Pointer[copied] // nil: nobody wants it, or it was given up
	line   atomic.Pointer[[]byte] // the answer without its object, as tails show it; nil: none has yet
}

// copied is a copy of an object.
type copied struct {
	object []byte
	line   atomic.Pointer[[]byte] // the answer with it; nil: no tail has shown it yet
}

// recent remembers the last answers of sinks. Each has a number, which grows by one. They
// are in blocks, which readers borrow:
//
//	stages ──▶ observe ──▶ [block] [block] ... [block] ──▶ borrow ──▶ readers, each at its own pace
//	                                                └────▶ last
//
// What readers cost stages does not depend on how many there are: a stage takes a lock for
// some 100 ns for each answer, and readers take it for as long for each block. They look at
// what they have borrowed outside the lock. Who is too slow misses some.
type recent struct {
	copies copies // of objects

	mu     sync.Mutex
	blocks [blocks]*block // the answer with the number n is in the one at n/blockSize, modulo blocks
	next   uint64         // number
	bytes  int            // of copies
	copied uint64         // the answers before that number have none
}

// observe remembers an answer. It is called by stages.
func (r *recent) observe(route string, d stage.Delivery) {
	c := d.Change
	a := answer{
		route: route, key: c.Key, op: c.Op, snapshot: c.Snapshot, tombstone: c.Tombstone, generation: c.Generation,
		uid: c.UID, version: c.ResourceVersion, observed: c.Observed, at: time.Now(),
		dead: d.DeadLettered, hasObject: c.Object != nil,
	}
	if c.Origin != nil {
		a.resource = c.Origin.Resource
	}
	if d.Refused != nil {
		a.refused = redact.Cut(d.Refused.Error(), redact.Longest)
	}
	var object *copied
	if a.hasObject && r.copies.wanted(route, c) {
		object = &copied{object: append([]byte(nil), c.Object...)}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.placeLocked()
	at.answer = a
	r.next++
	if object == nil {
		return
	}
	at.object.Store(object)
	for r.bytes += len(object.object); r.bytes > mostCopied; r.copied++ {
		r.copied = max(r.copied, r.oldestLocked())
		r.dropLocked(r.atLocked(r.copied))
	}
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
	for end := r.now(); end > 0 && !ok; {
		end = (end - 1) / blockSize * blockSize
		l := r.borrow(end)
		for i := range l.answers {
			if at := &l.answers[i].answer; at.refused == "" && at.key == key && at.route == route {
				a, ok = *at, true
			}
		}
		r.giveBack(l)
		if l.missed > 0 {
			break
		}
	}
	return a, ok
}

// forgetObjects gives up all copies, unless somebody wants some.
func (r *recent) forgetObjects() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.copies.wanters.Load() != nil {
		return
	}
	for _, b := range r.blocks {
		if b != nil {
			r.emptyLocked(b)
		}
	}
}

// dropLocked gives up the copy of an object.
func (r *recent) dropLocked(k *kept) {
	if k.object.Load() == nil {
		return // most have none, and to look costs less than to swap
	}
	r.bytes -= len(k.object.Swap(nil).object)
}
