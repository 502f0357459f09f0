package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// defaultPollInterval lets changes take effect within seconds, and costs a
// fleet of a thousand files about 2 % of one CPU (BenchmarkIdlePoll).
const defaultPollInterval = 2 * time.Second

// Options configures a Fleet.
type Options struct {
	// Providers describe the clusters; see Parse. Where two describe the same
	// name at the same time, the earlier one has it.
	Providers []Provider
	// Handler is told which clusters exist. Required.
	Handler Handler
	// Log gets joins, changes, departures and problems, once each.
	Log logr.Logger
	// Registerer gets the metrics while Run runs; nil means none.
	Registerer prometheus.Registerer
	// PollInterval is the pause between two readings of all files; zero means
	// two seconds.
	PollInterval time.Duration
}

// Fleet follows the providers.
type Fleet struct {
	opts     Options
	scanners []scanner        // of Run
	owners   map[string]owner // by cluster name; of Run

	mu       sync.Mutex
	size     int // how many clusters there are
	problems map[problemKey]Problem
}

// owner is the description that has a name. No source has the same name twice,
// so place and name find it again.
type owner struct {
	place  place
	member *Member
}

// place is one source of one provider.
type place struct {
	provider int
	source   string
}

// problemKey tells a problem that lasts from a new one.
type problemKey struct {
	place                    place
	context, cluster, reason string
}

// New returns a fleet that has read nothing yet.
func New(opts Options) *Fleet {
	opts.PollInterval = cmp.Or(opts.PollInterval, defaultPollInterval)
	f := &Fleet{opts: opts, owners: map[string]owner{}}
	for _, p := range opts.Providers {
		f.scanners = append(f.scanners, p.newScanner())
	}
	return f
}

// Run follows the providers until ctx ends, then returns nil. It removes no
// member on the way out. It must be called once only. An error means that the
// metrics could not be registered.
func (f *Fleet) Run(ctx context.Context) error {
	if reg := f.opts.Registerer; reg != nil {
		c := collector{f}
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register the fleet's metrics: %w", err)
		}
		defer reg.Unregister(c)
	}
	tick := time.NewTicker(f.opts.PollInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		f.poll(time.Now())
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// Check reads the providers once, beside Run, and returns what must not be
// there at start: two descriptions of one name, whichever is meant, and no
// cluster at all when none is named. It connects to nothing. Everything else
// that is wrong with a description harms that cluster only, may be repaired
// while the program runs, and is left to Problems.
func (f *Fleet) Check() error {
	var (
		errs   []error
		places = map[string][]string{}
		order  []string
	)
	for _, p := range f.opts.Providers {
		found := p.newScanner().scan()
		for _, fd := range found {
			if fd.name == "" || fd.absent {
				continue
			}
			if places[fd.name] == nil {
				order = append(order, fd.name)
			}
			places[fd.name] = append(places[fd.name], at(fd.source, fd.context))
		}
		if _, ok := p.(*currentProvider); ok && !slices.ContainsFunc(found, func(fd finding) bool { return fd.member != nil }) {
			for _, fd := range found {
				errs = append(errs, fmt.Errorf("--clusters is not set, and %s describes no cluster: %w",
					p, Problem{Source: fd.source, Context: fd.context, Err: fd.err}))
			}
		}
	}
	for _, name := range order {
		if len(places[name]) > 1 {
			errs = append(errs, fmt.Errorf("--clusters: cluster %q is described more than once: %s; rename one, or pick others with ?contexts=",
				name, strings.Join(places[name], " and ")))
		}
	}
	return errors.Join(errs...)
}

// Problems returns what keeps descriptions from being used now, sorted by
// source, context and cluster.
func (f *Fleet) Problems() []Problem {
	f.mu.Lock()
	problems := slices.Collect(maps.Values(f.problems))
	f.mu.Unlock()
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Context, b.Context),
			cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Err.Error(), b.Err.Error()))
	})
	return problems
}

// candidate is a finding and where it was made.
type candidate struct {
	finding
	place place
}

// poll reads all providers once and tells the handler what changed.
func (f *Fleet) poll(now time.Time) {
	var (
		names      []string
		candidates = map[string][]candidate{}
		problems   = map[problemKey]Problem{}
	)
	note := func(p place, fd finding, err error) {
		problems[problemKey{p, fd.context, fd.name, err.Error()}] = Problem{
			Source: fd.source, Context: fd.context, Cluster: fd.name, Err: err, Since: now,
		}
	}
	for i, s := range f.scanners {
		for _, fd := range s.scan() {
			p := place{i, fd.source}
			if fd.err != nil {
				note(p, fd, fd.err)
			}
			if fd.member == nil {
				continue
			}
			if candidates[fd.name] == nil {
				names = append(names, fd.name)
			}
			candidates[fd.name] = append(candidates[fd.name], candidate{fd, p})
		}
	}

	next := make(map[string]owner, len(names))
	for _, name := range names {
		win := max(0, slices.IndexFunc(candidates[name], func(c candidate) bool {
			return c.place == f.owners[name].place
		}))
		for i, c := range candidates[name] {
			if i == win {
				next[name] = owner{c.place, c.member}
				continue
			}
			note(c.place, c.finding, fmt.Errorf("cluster %q is described by %s already, which keeps the name; rename or remove one",
				name, candidates[name][win].member.Source))
		}
	}
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
		switch was, ok := before[name]; {
		case !ok:
			f.opts.Log.Info("Cluster joins the fleet", "cluster", name, "source", m.Source)
		case was.member.Fingerprint != m.Fingerprint:
			f.opts.Log.Info("Cluster's description changed", "cluster", name, "source", m.Source)
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
