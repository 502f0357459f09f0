package app

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
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
	line   atomic.Pointer[[]byte] // the answer without its object, as tails show it; nil: none has yet, or it is too long
}

// copied is a copy of an object, as JSON on one line.
type copied struct{ object []byte }

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
	tails  int            // so many may keep lines
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
		object = &copied{object: jsontext.AppendOneLine(nil, c.Object)}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.placeLocked()
	at.answer = a
	if object != nil && r.copies.areWanted() { // who wanted it may have gone, and forgotten all
		r.keepLocked(at, object)
	}
	r.next++
}

// keepLocked keeps the copy of an object, and gives up the oldest ones for it.
func (r *recent) keepLocked(at *kept, object *copied) {
	for r.bytes += len(object.object); r.bytes > mostCopied; r.copied++ {
		r.copied = max(r.copied, r.oldestLocked())
		r.dropLocked(r.atLocked(r.copied))
	}
	at.object.Store(object)
}

// tail notes a reader that keeps lines, until it calls end. When the last one ends, all lines
// are given up.
func (r *recent) tail() (end func()) {
	count := func(by int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tails += by
	}
	count(1)
	return func() {
		count(-1)
		r.forget()
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

// forget gives up all copies, unless somebody wants some, and all lines, unless there is a
// tail. Stages wait for one block of it at most.
func (r *recent) forget() {
	one := func(i int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if b := r.blocks[i]; b != nil {
			r.emptyLocked(b, !r.copies.areWanted(), r.tails == 0)
		}
	}
	for i := range r.blocks {
		one(i)
	}
}

// dropLocked gives up the copy of an object.
func (r *recent) dropLocked(k *kept) {
	if k.object.Load() == nil {
		return // most have none, and to look costs less than to swap
	}
	r.bytes -= len(k.object.Swap(nil).object)
}
