package sources

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// twins tells which members are one cluster under several names. That is no
// mistake where each name has credentials for another namespace, so it is told
// and not refused.
type twins struct {
	log logr.Logger

	mu    sync.Mutex
	uids  map[string]string               // of the members that have been reached
	names map[string]map[string]time.Time // by UID: the members that are it, and since when
}

func newTwins(log logr.Logger) *twins {
	return &twins{log: log, uids: map[string]string{}, names: map[string]map[string]time.Time{}}
}

// identified notes who a member is.
func (t *twins) identified(name, uid string) {
	t.mu.Lock()
	if t.uids[name] == uid {
		t.mu.Unlock()
		return
	}
	t.leftLocked(name)
	t.uids[name] = uid
	if t.names[uid] == nil {
		t.names[uid] = map[string]time.Time{}
	}
	t.names[uid][name] = time.Now()
	others, _ := t.ofLocked(name)
	t.mu.Unlock()
	if len(others) > 0 {
		t.log.Info("Two members are one cluster: what both follow is delivered under both names",
			"cluster", name, "sameAs", others, "clusterUID", uid)
	}
}

// left forgets a member.
func (t *twins) left(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leftLocked(name)
}

func (t *twins) leftLocked(name string) {
	uid := t.uids[name]
	delete(t.uids, name)
	if delete(t.names[uid], name); len(t.names[uid]) == 0 {
		delete(t.names, uid)
	}
}

// of returns the other names of a member's cluster, and since when it has had the
// last one of all.
func (t *twins) of(name string) (others []string, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ofLocked(name)
}

func (t *twins) ofLocked(name string) (others []string, since time.Time) {
	names := t.names[t.uids[name]]
	if len(names) < 2 {
		return nil, time.Time{}
	}
	for other, at := range names {
		if other != name {
			others = append(others, other)
		}
		if at.After(since) {
			since = at
		}
	}
	slices.Sort(others)
	return others, since
}

// TwinsCollector tells Prometheus which members are one cluster.
type TwinsCollector struct {
	twins  *twins
	sameAs *prometheus.Desc
}

// NewTwinsCollector returns a collector of the members of s.
func NewTwinsCollector(s *Sources) *TwinsCollector {
	return &TwinsCollector{s.twins, prometheus.NewDesc("fairlead_cluster_same_as",
		"Other members that are the same cluster. Each change of it is delivered under each name.", []string{"cluster"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *TwinsCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.sameAs }

// Collect implements prometheus.Collector.
func (c *TwinsCollector) Collect(ch chan<- prometheus.Metric) {
	c.twins.mu.Lock()
	counts := map[string]int{}
	for name, uid := range c.twins.uids {
		counts[name] = len(c.twins.names[uid]) - 1
	}
	c.twins.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		ch <- prometheus.MustNewConstMetric(c.sameAs, prometheus.GaugeValue, float64(counts[name]), name)
	}
}
