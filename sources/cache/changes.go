package cache

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"
)

// mailbox holds what one watcher of changes has not seen yet: at most one
// status for each member.
type mailbox struct {
	pending map[string]Status
	order   []string
	told    map[string]Status // what take returned last, of members in the fleet
	wake    chan struct{}     // closed and replaced when something was put in
}

// Changes yields the status of every member, then every change of a member's
// State, Reason, ClusterUID or Labels, its removal included, until ctx ends. It never
// holds anybody up: of changes of one member that were not picked up in time
// only the newest is left.
func (f *Fleet) Changes(ctx context.Context) iter.Seq[Status] {
	return func(yield func(Status) bool) {
		box, unwatch := f.watch()
		defer unwatch()
		for ctx.Err() == nil {
			f.mu.Lock()
			s, ok := box.take()
			wake := box.wake
			f.mu.Unlock()
			if ok {
				if !yield(s) {
					return
				}
				continue
			}
			select {
			case <-wake:
			case <-ctx.Done():
			}
		}
	}
}

// watch returns a mailbox that gets what changes from now on, and all statuses
// first.
func (f *Fleet) watch() (box *mailbox, unwatch func()) {
	box = &mailbox{pending: map[string]Status{}, told: map[string]Status{}, wake: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.statuses {
		box.put(s)
	}
	f.watchers[box] = struct{}{}
	return box, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, box)
	}
}

// WaitLive waits until a cluster is live, and returns its status then: it is in
// the fleet, the sources that were started have joined it, and its caches are
// synced. What their first lists hold is in the queues, or about to be. If ctx
// ends before, the error tells where the cluster stands. It is for tests, and for
// what must not begin before; reconcilers need not wait.
func (f *Fleet) WaitLive(ctx context.Context, name string) (Status, error) {
	box, unwatch := f.watch()
	defer unwatch()
	for {
		f.mu.Lock()
		wake := box.wake
		f.mu.Unlock()
		s := f.State(name)
		if s.State == Live {
			return s, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return s, fmt.Errorf("wait for cluster %q to be live: it is %s (%s): %w", name, s.State, cmp.Or(s.Reason, "no reason is known"), context.Cause(ctx))
		}
	}
}

// put and take are called with Fleet.mu held.
func (b *mailbox) put(s Status) {
	if _, ok := b.pending[s.Cluster]; !ok {
		b.order = append(b.order, s.Cluster)
	}
	b.pending[s.Cluster] = s
	close(b.wake)
	b.wake = make(chan struct{})
}

func (b *mailbox) take() (Status, bool) {
	for len(b.order) > 0 {
		name := b.order[0]
		b.order = b.order[1:]
		s := b.pending[name]
		delete(b.pending, name)
		last, known := b.told[name]
		if s.State == Gone {
			delete(b.told, name)
		} else {
			b.told[name] = s
		}
		if known && s.same(last) {
			continue // there and back before anybody looked
		}
		if known || s.State != Gone {
			return s, true
		}
	}
	return Status{}, false
}

// publish keeps a status, tells watchers if it is news, and returns it with what
// is known here of it.
func (f *Fleet) publish(s Status, now time.Time) Status {
	f.mu.Lock()
	old, known := f.statuses[s.Cluster]
	m := f.members[s.Cluster]
	if s.State == Gone && m != nil || s.State != Gone && m == nil {
		f.mu.Unlock()
		return s // the loop of a member that was taken out, or the connection's end before that
	}
	s.Since, s.Labels = old.Since, f.labels[s.Cluster]
	if !known || s.State != old.State {
		s.Since = now
	}
	news := !known || !s.same(old)
	if s.State == Gone {
		delete(f.statuses, s.Cluster)
		news = known
	} else {
		f.statuses[s.Cluster] = s
	}
	if news {
		for box := range f.watchers {
			box.put(s)
		}
	}
	f.mu.Unlock()
	if news && (s.State != old.State || s.Reason != old.Reason) {
		f.tell(old, s, m != nil && m.gate == nil)
	}
	return s
}

// tell logs what the caches themselves are the cause of; the rest is in the
// connection's log.
func (f *Fleet) tell(old, s Status, included bool) {
	log := f.o.Log.WithValues("cluster", s.Cluster)
	switch {
	case included && s.LastError != "" && s.LastError != old.LastError:
		log.Info("A source cannot join a cluster that was included", "reason", s.Reason)
	case included && s.State == Live && old.LastError != "":
		log.Info("All sources have joined a cluster that was included")
	case included:
	case s.State == Live && old.State == Syncing:
		log.Info("Caches are synced")
	case s.ClusterUID != "" && s.Reason != "" && (s.State == Syncing && s.LastError != old.LastError || s.State == BackingOff):
		log.Info("Caches cannot be synced", "reason", s.Reason)
	}
}
