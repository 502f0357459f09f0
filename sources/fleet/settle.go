package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// settle decides who has which name, and tells the handler what changed.
func (f *Fleet) settle(now time.Time) {
	var (
		names      []string
		candidates = map[string][]candidate{}
		problems   = map[problemKey]Problem{}
	)
	note := func(p sourceRef, fd Description, err error, event string) {
		err = bounded(err)
		key := problemKey{p, fd.Context, fd.Name, err.Error()}
		problems[key] = Problem{Source: fd.Source, Context: fd.Context, Cluster: fd.Name, Err: err, Since: now}
		if _, old := f.problems[key]; !old && fd.Object != nil && f.events != nil {
			f.events.warn(*fd.Object, event, err.Error())
		}
	}
	for i := range f.found {
		if err := f.unread(i, now); err != nil {
			source := f.opts.Providers[i].String()
			note(sourceRef{i, source}, Description{Source: source}, err, "")
		}
		for _, fd := range f.found[i] {
			p := sourceRef{i, fd.Source}
			if fd.Err != nil {
				note(p, fd, fd.Err, cmp.Or(fd.Event, eventUnusable))
			}
			if fd.Member == nil {
				continue
			}
			if err := fd.sound(); err != nil {
				fd.Name = clip(fd.Name)
				note(p, fd, err, eventUnusable)
				continue
			}
			if candidates[fd.Name] == nil {
				names = append(names, fd.Name)
			}
			candidates[fd.Name] = append(candidates[fd.Name], candidate{fd, p})
		}
	}

	f.holdNames(candidates, now)
	next := make(map[string]owner, len(names))
	for _, name := range names {
		win, why := f.winner(name, candidates[name])
		for i, c := range candidates[name] {
			if i == win {
				next[name] = owner{c.ref, c.Member, c.Object != nil}
				delete(f.held, name)
				continue
			}
			if why != nil {
				note(c.ref, c.Description, why, eventNameTaken)
				continue
			}
			note(c.ref, c.Description, fmt.Errorf("cluster %q is described by %s already, which keeps the name; rename or remove one",
				name, candidates[name][win].Member.Source), eventNameTaken)
		}
	}
	f.free = f.nextFree()
	f.publish(len(next), problems)
	f.apply(names, next)
}

// apply makes next the fleet. Clusters leave before others join, so that at no
// time more is held than either fleet needs.
func (f *Fleet) apply(names []string, next map[string]owner) {
	before := f.owners
	f.owners = next
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, ok := next[name]; !ok {
			f.opts.Log.Info("Cluster leaves the fleet", "cluster", name, "source", before[name].member.Source)
			f.opts.Handler.Remove(name)
		}
	}
	for _, name := range names {
		m := next[name].member
		if m == nil {
			continue // the name is kept for someone else
		}
		switch was, ok := before[name]; {
		case !ok:
			f.opts.Log.Info("Cluster joins the fleet", "cluster", name, "source", m.Source)
		case was.member.Fingerprint != m.Fingerprint:
			f.opts.Log.Info("Cluster's description changed", "cluster", name, "source", m.Source)
		case !was.member.Limits.Equal(m.Limits):
			f.opts.Log.Info("Cluster's limits changed", "cluster", name, "source", m.Source)
		case !maps.Equal(was.member.Labels, m.Labels):
			f.opts.Log.Info("Cluster's labels changed", "cluster", name, "source", m.Source)
		default:
			continue
		}
		f.opts.Handler.Set(*m)
	}
}

// publish shows the outcome of a poll, and logs which problems came and went.
func (f *Fleet) publish(size int, problems map[problemKey]Problem) {
	f.mu.Lock()
	before := f.problems
	for key, p := range before {
		if _, ok := problems[key]; ok {
			problems[key] = p
		}
	}
	f.size, f.problems = size, problems
	f.mu.Unlock()

	// No one else writes these maps, so they may be read without the lock.
	for key, p := range problems {
		if _, ok := before[key]; !ok {
			f.opts.Log.Error(p.Err, "Cluster description cannot be used", "source", p.Source, "context", p.Context, "cluster", p.Cluster)
		}
	}
	for key, p := range before {
		if _, ok := problems[key]; !ok {
			f.opts.Log.Info("Cluster description's problem is over", "source", p.Source, "context", p.Context, "cluster", p.Cluster)
		}
	}
}
