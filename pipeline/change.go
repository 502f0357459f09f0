package pipeline

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/pipeline/budget"
)

// Key is the identity of an object in a fleet. Two changes with equal keys are
// states of the same name; whether they are states of the same object is told
// by their UIDs.
type Key struct {
	Cluster   string // the member's name in the fleet
	Resource  string // plural and group as kubectl spells them: "pods", "deployments.apps"
	Namespace string // empty for cluster-scoped resources
	Name      string
}

// String returns "cluster/resource/namespace/name", without the namespace for
// cluster-scoped objects.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Cluster + "/" + k.Resource + "/" + k.Name
	}
	return k.Cluster + "/" + k.Resource + "/" + k.Namespace + "/" + k.Name
}

// Op says what happened to an object, as far as sinks are concerned.
type Op uint8

// The operations. Added is the first state of a UID that sinks acknowledge,
// Updated any later one, Deleted the last word on a UID.
const (
	Added Op = iota + 1
	Updated
	Deleted
)

// String returns the word used in event types: "added", "updated", "deleted".
func (o Op) String() string {
	switch o {
	case Added:
		return "added"
	case Updated:
		return "updated"
	case Deleted:
		return "deleted"
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// Origin is what all changes of one stream have in common. It is shared by
// them and never modified once the first change refers to it.
type Origin struct {
	Cluster    string // the member's name in the fleet
	ClusterUID string // UID of its kube-system namespace, or a digest of server URL and CA
	Resource   schema.GroupVersionResource
	Kind       string
	Namespaced bool
	// Term numbers the processes that have delivered one after the other: of two
	// that both write, the one with the higher term is right. It is the fencing
	// token of leader election, and 1 without that.
	Term    uint64
	Tracker Tracker // told what becomes of each change; nil if nobody needs to know
}

// Tracker is told what becomes of the changes of a stream, so that it knows
// what has been delivered and from where the stream may resume. Its methods
// are called by several workers at once, but for one key never by two.
type Tracker interface {
	// Begin is called before c is handed to the sink. It does not block. It
	// settles c.Op and returns the other UIDs that the sink may still hold under
	// the same key, whose deletions are to go first. c may be handed over once
	// safe is closed, which is when the record of it is kept; at once if safe
	// is nil. It may be called again with a c that was not accepted.
	//
	// With many ghosts it sets c.GhostsFirst, and else clears it: if set, their deletions
	// are handed over alone, and Begin is called again with c once all of them are acked.
	//
	// superseded says that c is not to be handed over at all, and not to be
	// acked: a newer state of the object was acked or begun, or somebody else
	// tracks the stream now. Nobody may use c.Object from then on.
	Begin(c *Change) (ghosts []types.UID, safe <-chan struct{}, superseded bool)
	// Ack is called once the sink has durably accepted c. Nobody may use
	// c.Object from then on. c may be the deletion of a ghost (Change.Ghost):
	// then the sink holds that UID no longer, which says nothing of the change
	// that it preceded.
	Ack(c *Change)
}

// StoreTracker is a Tracker whose records go to a store that may refuse those of one
// cluster, and take those of others.
type StoreTracker interface {
	Tracker
	// StoreRefuses returns what is closed once the store has refused the records of the
	// tracker's cluster, and stays so until it takes them. It is asked after Begin: that
	// change will not be safe soon, and holds up others for nothing. It does not block.
	// nil, or what is not closed: the store does not refuse them, as far as is known.
	StoreRefuses() <-chan struct{}
}

// Rereader is a Tracker whose objects can be read again: a change of it may give its
// object up while it waits (Change.Evict).
type Rereader interface {
	Tracker
	// Reread asks for the object of a change that has given it up and that Begin has
	// found in order. It does not block. Once the object is read, a change that is c in
	// everything else is offered to the queue that c is of: with the object, or Moved if
	// the cluster has another state. If it cannot be read, nothing comes: so c is kept, and
	// Reread called again after a while.
	Reread(c *Change)
}

// Change is one observed new state of an object. Whoever receives one treats
// it as read-only; only the reconcile stage sets Op and Trace before handing it on,
// and counts Refusals.
type Change struct {
	Key             Key
	Origin          *Origin
	Op              Op
	UID             types.UID
	ResourceVersion string
	// Snapshot is set when the state was read from a list rather than told by
	// a watch.
	Snapshot bool
	// Tombstone is set on a deletion that Fairlead worked out itself, because
	// a snapshot no longer held the object or another UID took its name; and on one
	// that has given up the last state of the object (Evict).
	Tombstone bool
	// Ghost is set on the deletion of another UID, whose name the next change of
	// this key takes. It is a tombstone.
	Ghost bool
	// GhostsFirst is set by Begin on a change that is not to be handed over before the
	// deletions of many ghosts are accepted: see Tracker.
	GhostsFirst bool
	// Refusals is how often the sink has refused this very change.
	Refusals uint32
	// Object is the object as JSON, without metadata.managedFields; nil on a
	// tombstone. It is owned by the change and shared by all its readers, until
	// the ack: the tracker may use its memory for another object then.
	Object []byte
	// Evicted is how many bytes Object took, if the change has given it up; else 0.
	Evicted int
	// Moved is set on a change that has given its object up and will not have it again: the
	// cluster has another state by now, which comes by itself. It makes room for that, and
	// is neither delivered nor acked.
	Moved bool
	// Rests is set while no sink has the change, so that it may give its object up: from its
	// observation until the stage hands it on and, by the stage, while one that was refused
	// waits for its next try.
	Rests bool
	// Observed is when the change was read from the member.
	Observed time.Time
	// Sequence is the number of this observation among those of its tracker: a
	// later one has a higher number, over restarts too. The deletion of a ghost has
	// the number between the change's and the one before.
	Sequence uint64
	// Generation sets apart what would otherwise be told again under an id that it
	// has had, although something else came between: after another selection, or a
	// restored backup. It starts at 0.
	Generation uint32
	// Trace is set by the stage on a change that is traced, before it is handed over. A
	// destination and who is told of its answer may put another one in its place: see Trace.
	// Nil: it is not traced.
	Trace *Trace
	// DeadLettered is set by a destination that tells of the change as accepted, if it was
	// put away for good and the sink does not have it.
	DeadLettered bool
	// Together is set if the changes of other routes share Object.
	Together *budget.Together
	// Memory is what the change has of a Budget. The change gives it back when the
	// sink has accepted it, or a queue made by stage.NewQueue lets it go: with Release.
	Memory budget.Loan
}

// Release gives back what the change has of a Budget. To be called by who is done with
// the change for good, or has not handed it over.
func (c *Change) Release() { c.Memory.Release() }

// ChangeOverhead is what a waiting change costs beside its object, in bytes: the
// struct, its strings and the queue's entry, rounded up.
const ChangeOverhead = 512

// Size returns the bytes of memory that the change is accounted for in its
// lane: its object's may hold a little more than the object.
func (c *Change) Size() int { return cap(c.Object) + ChangeOverhead }

// Evict gives the object up, with the memory for it, if the tracker can read it again:
// the change keeps no more than ChangeOverhead. The last state of what is deleted cannot be
// read again, and a deletion needs none: it becomes a tombstone. Nothing happens unless the
// change Rests. To be called by who owns the change.
func (c *Change) Evict() {
	if c.Object == nil || c.Origin == nil || !c.Rests {
		return
	}
	if _, ok := c.Origin.Tracker.(Rereader); !ok {
		return
	}
	if c.Op == Deleted {
		c.Tombstone = true
	} else {
		c.Evicted = cap(c.Object)
	}
	c.Object, c.Together = nil, nil // who shares it keeps it
	c.Memory.Shrink(budget.Ask{Own: ChangeOverhead})
}

// Unstructured decodes the object. Every call decodes anew, so the caller owns
// the result. A tombstone yields an object with identity only.
func (c *Change) Unstructured() (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if c.Object == nil {
		u.SetGroupVersionKind(c.Origin.Resource.GroupVersion().WithKind(c.Origin.Kind))
		u.SetNamespace(c.Key.Namespace)
		u.SetName(c.Key.Name)
		u.SetUID(c.UID)
		u.SetResourceVersion(c.ResourceVersion)
		return u, nil
	}
	if err := u.UnmarshalJSON(c.Object); err != nil {
		return nil, fmt.Errorf("decode %s: %w", c.Key, err)
	}
	return u, nil
}
