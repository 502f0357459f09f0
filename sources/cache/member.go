package cache

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// cached is one member with its caches, or a cluster that was included.
type cached struct {
	name    string
	fleet   *Fleet
	conn    Connection
	gate    *gate // nil for one that was included, of whose informers nothing is known
	config  Config
	cluster cluster.Cluster
	scheme  *runtime.Scheme
	strict  bool // reads do not start informers

	// engage starts a source's part in this member, on a goroutine. Called
	// with Fleet.mu held.
	engage func(engager)

	noting sync.Mutex // from looking to publishing

	mu        sync.Mutex
	informers []*informer
	changed   chan struct{}      // closed and replaced when an informer's state changes
	engaging  map[*string]string // what keeps sources from getting an informer
}

// build makes the cluster.Cluster of a member. It dials nothing.
func (f *Fleet) build(name string, conn Connection) (*cached, error) {
	m := &cached{
		name:     name,
		fleet:    f,
		conn:     conn,
		gate:     newGate(name, conn, f.config),
		config:   f.config,
		changed:  make(chan struct{}),
		engaging: map[*string]string{},
	}
	options := append(slices.Clone(f.o.Cluster), func(o *cluster.Options) {
		if f.o.Scheme != nil {
			o.Scheme = f.o.Scheme
		}
		o.HTTPClient = m.gate.client()
		if o.Logger.GetSink() == nil {
			o.Logger = f.o.Log
		}
		o.Logger = o.Logger.WithValues("cluster", name)
		newCache := o.NewCache
		if newCache == nil {
			newCache = ctrlcache.New
		}
		o.NewCache = func(config *rest.Config, o ctrlcache.Options) (ctrlcache.Cache, error) {
			m.scheme = o.Scheme
			m.strict = o.ReaderFailOnMissingInformer
			o.NewInformer = m.newInformer(o.NewInformer)
			inner, err := newCache(config, o)
			if err != nil {
				return nil, err
			}
			return &reader{Cache: inner, member: m, mapper: o.Mapper}, nil
		}
	})
	c, err := cluster.New(m.gate.clientConfig(), options...)
	if err != nil {
		return nil, fmt.Errorf("make the caches of cluster %q: %w", name, err)
	}
	m.cluster = c
	return m, nil
}

// join adds an informer that has been made.
func (m *cached) join(i *informer) {
	m.mu.Lock()
	m.informers = append(m.informers, i)
	m.mu.Unlock()
	m.touch()
}

// leave removes an informer that has ended.
func (m *cached) leave(i *informer) {
	m.mu.Lock()
	m.informers = slices.DeleteFunc(m.informers, func(o *informer) bool { return o == i })
	m.mu.Unlock()
	i.mu.Lock()
	silent := i.silent
	i.mu.Unlock()
	if silent {
		m.conn.SetStale(i.stream(), false)
	}
	m.touch()
}

// touch tells those who wait that an informer's state has changed.
func (m *cached) touch() {
	m.mu.Lock()
	close(m.changed)
	m.changed = make(chan struct{})
	m.mu.Unlock()
}

// begin lets a source work for the member, which is not live until the source has
// joined it. Called with Fleet.mu held.
func (m *cached) begin(e engager) {
	m.mu.Lock()
	m.engaging[e.label()] = ""
	m.mu.Unlock()
	m.touch()
	m.engage(e)
}

// setBlocked notes why a source has not joined yet.
func (m *cached) setBlocked(source *string, why string) {
	m.mu.Lock()
	m.engaging[source] = why
	m.mu.Unlock()
	m.moved()
}

// clearBlocked notes that a source has joined, or will not any more.
func (m *cached) clearBlocked(source *string) {
	m.mu.Lock()
	delete(m.engaging, source)
	m.mu.Unlock()
	m.moved()
}

// moved tells that sources stand elsewhere.
func (m *cached) moved() {
	m.touch()
	if m.gate == nil { // nobody attends it
		m.note()
	}
}

// look returns all informers and what is closed when that is out of date.
func (m *cached) look(now time.Time) (all []snapshot, changed <-chan struct{}) {
	m.mu.Lock()
	informers := slices.Clone(m.informers)
	for source, why := range m.engaging {
		all = append(all, snapshot{name: *source, problem: why})
	}
	changed = m.changed
	m.mu.Unlock()
	// So that of several problems the same one is told each time.
	slices.SortFunc(all, func(a, b snapshot) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.problem, b.problem))
	})
	for _, i := range informers {
		all = append(all, i.snapshot(now, m.config.CacheSyncTimeout))
	}
	return all, changed
}

// of returns the informers of a kind.
func (m *cached) of(key kindKey) (found []*informer, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range m.informers {
		if i.key == key {
			found = append(found, i)
		}
	}
	return found, m.changed
}

// status returns where the member stands now; Since is not known here.
func (m *cached) status(link member.Link, all []snapshot) Status {
	s := derive(m.name, link, all)
	for _, i := range all {
		if i.synced && (s.AsOf.IsZero() || i.last.Before(s.AsOf)) {
			s.AsOf = i.last
		}
	}
	if m.gate == nil {
		s.AsOf = time.Now()
	}
	return s
}

// note publishes where the member stands now, and returns that: whoever looks
// later publishes later, and says the same Since.
func (m *cached) note() Status {
	m.noting.Lock()
	defer m.noting.Unlock()
	now := time.Now()
	all, _ := m.look(now)
	return m.fleet.publish(m.status(m.conn.Link(), all), now)
}

// attend cuts what is under way when the member is given up, cuts watches that
// are silent for too long, and keeps the status, until ctx ends.
func (m *cached) attend(ctx context.Context) {
	defer m.gate.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		link := m.conn.Link()
		m.gate.cut(link)
		now := time.Now()
		all, changed := m.look(now)
		wait := m.cutSilent(now, all)
		m.note()
		timer.Reset(wait)
		select {
		case <-link.Changed:
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// cutSilent gives up watches that nothing came from for too long, and returns
// when to look again.
func (m *cached) cutSilent(now time.Time, all []snapshot) time.Duration {
	const forever = 24 * time.Hour
	wait := forever
	for _, i := range all {
		if !i.synced && !i.late && !i.trying.IsZero() {
			wait = min(wait, i.trying.Add(m.config.CacheSyncTimeout).Sub(now))
		}
		if i.watching == nil {
			continue
		}
		heard := i.last
		if i.watching.began.After(heard) {
			heard = i.watching.began
		}
		left := heard.Add(m.config.StaleAfter).Sub(now)
		if left > 0 {
			wait = min(wait, left)
			continue
		}
		i.watching.informer.markSilent()
		i.watching.abort(errSilent)
	}
	return max(wait, 0)
}
