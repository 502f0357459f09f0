package clusters

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/locks"
)

// simVoter is a cluster with one Lease in it.
type simVoter struct {
	mu      sync.Mutex
	lease   *coordinationv1.Lease
	rev     int // of the cluster, which has other objects
	uids    int
	history []snapshot
}

type snapshot struct {
	lease *coordinationv1.Lease
	rev   int
}

func (v *simVoter) get() (*coordinationv1.Lease, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lease, nil // nobody changes it
}

func (v *simVoter) cas(lease *coordinationv1.Lease, step int) (*coordinationv1.Lease, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.lease == nil && lease.ResourceVersion == "":
		v.uids++
		lease = lease.DeepCopy()
		lease.UID = types.UID("uid-" + strconv.Itoa(v.uids))
	case v.lease == nil || lease.UID != v.lease.UID || lease.ResourceVersion != v.lease.ResourceVersion:
		return nil, locks.ErrChanged
	default:
		lease = lease.DeepCopy()
	}
	v.history = append(v.history, snapshot{v.lease, v.rev})
	v.history = v.history[max(0, len(v.history)-4):]
	v.rev += step
	lease.ResourceVersion = strconv.Itoa(v.rev)
	v.lease = lease
	return lease, nil
}

// restore gives back what was there some writes ago.
func (v *simVoter) restore(back int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.history[len(v.history)-back]
	v.lease, v.rev = s.lease, s.rev
}

func (v *simVoter) remove() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lease, v.rev = nil, v.rev+1
}

// world is three processes and some voters, and what goes wrong between them.
type world struct {
	voters []*simVoter
	rules  rules

	mu       sync.Mutex
	rand     *rand.Rand
	cut      map[[2]int]time.Time // process and voter, until when
	believes []time.Time          // until when a process may act
	leads    map[uint64]string    // term to process
	last     uint64               // term
	faults   []string
	led      time.Duration
	terms    int
}

func (w *world) int(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rand.IntN(n)
}

func (w *world) fault(format string, args ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// line is the network between one process and one voter.
type line struct {
	world       *world
	process, to int
}

func (n *line) read(ctx context.Context) (*coordinationv1.Lease, error) {
	return n.call(ctx, n.world.voters[n.to].get)
}

func (n *line) swap(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	step := 1 + n.world.int(30)
	return n.call(ctx, func() (*coordinationv1.Lease, error) { return n.world.voters[n.to].cas(lease, step) })
}

func (n *line) close() {}

// trip returns how long a request and its answer take, and whether they are lost.
func (n *line) trip() (there, back time.Duration, lost, unanswered bool) {
	w := n.world
	w.mu.Lock()
	defer w.mu.Unlock()
	ms := func() time.Duration { return time.Duration([]int{1, 5, 20, 200}[w.rand.IntN(4)]) * time.Millisecond }
	there, back = ms(), ms()
	if w.rand.IntN(10) == 0 { // a late one
		there = time.Duration(200+w.rand.IntN(24800)) * time.Millisecond
	}
	lost = w.rand.IntN(20) == 0 || w.cut[[2]int{n.process, n.to}].After(time.Now())
	return there, back, lost, w.rand.IntN(20) == 0
}

func (n *line) call(ctx context.Context, do func() (*coordinationv1.Lease, error)) (*coordinationv1.Lease, error) {
	there, back, lost, unanswered := n.trip()
	if lost {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	type answer struct {
		lease *coordinationv1.Lease
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		time.Sleep(there)
		lease, err := do()
		if time.Sleep(back); !unanswered {
			answers <- answer{lease, err}
		}
	}()
	select {
	case a := <-answers:
		return a.lease, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// misfortune cuts lines until the time is over.
func misfortune(w *world, over time.Time) {
	for time.Now().Before(over) {
		w.mu.Lock()
		i, j := w.rand.IntN(len(w.believes)), w.rand.IntN(len(w.voters))
		w.cut[[2]int{i, j}] = time.Now().Add(time.Duration(w.rand.IntN(30000)) * time.Millisecond)
		if w.rand.IntN(10) == 0 {
			for j := range w.voters {
				w.cut[[2]int{i, j}] = time.Now().Add(time.Duration(5000+w.rand.IntN(35000)) * time.Millisecond)
			}
		}
		pause := time.Duration(1000+w.rand.IntN(14000)) * time.Millisecond
		w.mu.Unlock()
		time.Sleep(pause)
	}
}
