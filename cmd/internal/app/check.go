package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/findings"
	"github.com/fairlead-dev/fairlead/cmd/internal/probe"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

const (
	// checkWindow is the time between the two statuses of which rates are made.
	checkWindow = 2 * time.Second
	// mostLetters bounds how many dead letters are counted.
	mostLetters = 100_000
)

// errChecking is why a check is not made.
var errChecking = errors.New("another check is under way; ask again once it has ended")

// serveCheck answers GET /check, which changes nothing, and POST /check, which may be deep: an audit
// repairs what it finds.
func (a *admin) serveCheck(r *http.Request) (int, any) {
	q, err := parameters(r, "deep", "within")
	if err != nil {
		return http.StatusBadRequest, api.Error{Error: err.Error()}
	}
	within := time.Minute
	if s := q.Get("within"); s != "" {
		if within, err = time.ParseDuration(s); err != nil || within <= 0 || within > longestWait {
			return http.StatusBadRequest, api.Error{Error: fmt.Sprintf("within=%q is no duration up to %v, such as 30s", s, longestWait)}
		}
	}
	deep := q.Get("deep") == "true"
	if deep && r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, api.Error{Error: "a deep check repairs what differs, and GET changes nothing: send POST /check?deep=true, as fairlead check --deep of this version does"}
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), within, fmt.Errorf("the check took longer than %v", within))
	defer cancel()
	c, err := a.check(ctx, deep)
	if err != nil {
		return http.StatusTooManyRequests, api.Error{Error: err.Error()}
	}
	return http.StatusOK, c
}

// check asks all members and sinks now, and says what is not as it should be. One check is
// made at a time: it costs each member some requests, of those that its limit allows. When
// ctx ends, what is known by then is said.
func (p *program) check(ctx context.Context, e *engine, deep bool) (*api.Check, error) {
	if !p.checking.TryLock() {
		return nil, errChecking
	}
	defer p.checking.Unlock()
	began := time.Now()
	before := p.status(began)
	window := time.NewTimer(checkWindow)
	defer window.Stop()
	var asked findings.Probes
	var wg sync.WaitGroup
	wg.Go(func() { asked.Members = p.askMembers(ctx, e, before.Clusters) })
	wg.Go(func() { asked.Sinks = e.askSinks(ctx) })
	wg.Go(func() { asked.DeadLetters = countLetters(ctx, e.settings.DeadLetter) })
	wg.Go(func() { asked.Volume = e.settings.volume() })
	if deep {
		wg.Go(func() { asked.Audits = auditAll(ctx, e.sources, before.Clusters) })
	}
	wg.Wait()
	cutShort := ""
	if ctx.Err() != nil {
		cutShort = context.Cause(ctx).Error()
	}
	select {
	case <-window.C:
	case <-ctx.Done():
	}
	now := time.Now()
	status := p.status(now)
	return newCheck(findings.Input{Now: now, Status: status, Before: &before, Window: now.Sub(began), Probes: asked, CutShort: cutShort}, began), nil
}

// newCheck is what a check that has begun at a time has come to.
func newCheck(in findings.Input, began time.Time) *api.Check {
	c := &api.Check{Findings: findings.Of(in), Members: in.Probes.Members, Sinks: in.Probes.Sinks, Audits: in.Probes.Audits, Took: time.Since(began).Seconds()}
	for _, one := range in.Status.Clusters {
		c.Streams += len(one.Streams)
	}
	return c
}

// askMembers asks each member, what it is asked about being what its streams follow.
func (p *program) askMembers(ctx context.Context, e *engine, clusters []api.Cluster) []api.MemberProbe {
	all := make([]api.MemberProbe, len(clusters))
	probe.Each(ctx, len(clusters), probe.MemberTimeout, func(ctx context.Context, i int) {
		q := p.questionOf(e, clusters[i].Name)
		for _, st := range clusters[i].Streams {
			// A stream that does not run says why by itself.
			if spec, err := stream.ParseSpec(st.Stream); err == nil && st.Wildcard == "" && st.State == member.Live {
				q.Followed = append(q.Followed, probe.Followed{GroupResource: schema.ParseGroupResource(st.Resource), Namespace: spec.Namespace, Fields: spec.Fields})
			}
		}
		about := p.askAbout(ctx, e, q.Cluster)
		probe.Rights(ctx, q, &about)
		all[i] = about
	})
	return slices.DeleteFunc(all, func(m api.MemberProbe) bool { return m.Cluster == "" })
}

// askSinks has each sink that can do so check its destination. Those that deliver are left
// alone: their check may make what parameters have them make, and a GET changes nothing.
func (e *engine) askSinks(ctx context.Context) []api.SinkProbe {
	all := make([]api.SinkProbe, len(e.sinks))
	probe.Each(ctx, len(all), probe.Timeout, func(ctx context.Context, i int) {
		k := e.sinks[i]
		all[i] = api.SinkProbe{Name: k.name}
		if _, ok := k.to.(sinks.Checker); ok {
			all[i] = trySink(ctx, k.wanted)
		}
	})
	return all
}

// trySink opens a sink for a trial, has it check its destination if it can, and closes it.
func trySink(ctx context.Context, w wanted) api.SinkProbe {
	to, err := w.spec.Open(ctx, sinks.Env{Log: logr.Discard(), UserAgent: w.userAgent, Stdout: io.Discard, Registerer: prometheus.NewRegistry(), Trial: true})
	if err != nil {
		return checkedSink(w.name, err)
	}
	checked := api.SinkProbe{Name: w.name}
	if c, ok := to.(sinks.Checker); ok {
		checked = checkedSink(w.name, c.Check(ctx))
	}
	if c, ok := to.(io.Closer); ok {
		if err := c.Close(); err != nil && checked.Error == "" {
			checked.Error = redact.New().Text(err)
		}
	}
	return checked
}

// checkedSink is what the check of a sink has come to.
func checkedSink(name string, err error) api.SinkProbe {
	text := redact.New().Text(err)
	if errors.Is(err, spec.ErrNotAsked) {
		return api.SinkProbe{Name: name, Unasked: text}
	}
	return api.SinkProbe{Name: name, Checked: true, Error: text}
}

// countLetters counts the records in the files of dead letters, by sink and cluster.
func countLetters(ctx context.Context, path string) (all []api.DeadLetters) {
	if path == "" {
		return nil
	}
	n := 0
	for _, path := range deadletter.Files(path) {
		for r, err := range deadletter.Read(path) {
			if n++; n > mostLetters || ctx.Err() != nil {
				break
			}
			if err != nil {
				continue // fairlead dead-letter list tells
			}
			i := slices.IndexFunc(all, func(d api.DeadLetters) bool { return d.Route == r.Sink && d.Cluster == r.Event.Cluster })
			if i < 0 {
				i = len(all)
				all = append(all, api.DeadLetters{Route: r.Sink, Cluster: r.Event.Cluster})
			}
			all[i].Changes++
			all[i].Last, all[i].Reason = r.Time, r.Reason
		}
	}
	return all
}

// volume looks at the ledger's volume; nil: the ledger is not in a file.
func (s *settings) volume() *api.Volume {
	if s.store.Path == "" {
		return nil
	}
	v, err := ofDisk(func() *api.Volume { return probe.Volume(s.store.Path) })
	if err != nil {
		return &api.Volume{Folder: filepath.Dir(s.store.Path), Error: err.Error()}
	}
	return v
}

// ofDisk returns what ask does, or an error if a disk hangs, which keeps its goroutine.
func ofDisk[T any](ask func() T) (answer T, err error) {
	asked := make(chan T, 1)
	go func() { asked <- ask() }()
	timer := time.NewTimer(volumeWithin)
	defer timer.Stop()
	select {
	case answer = <-asked:
		return answer, nil
	case <-timer.C:
		return answer, fmt.Errorf("it has not answered within %v", volumeWithin)
	}
}

// volumeWithin is how long the ledger's volume may take to store a page.
const volumeWithin = 10 * time.Second

// auditsAtOnce is how many members are audited at the same time.
const auditsAtOnce = 8

// auditAll audits every stream, until ctx ends.
func auditAll(ctx context.Context, of *sources.Sources, clusters []api.Cluster) (all []api.Audit) {
	var mu sync.Mutex
	slots := make(chan struct{}, auditsAtOnce)
	var wg sync.WaitGroup
	for _, c := range clusters {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			of.Audit(ctx, c.Name, func(a sources.Audited) {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, api.AuditOf(a))
			})
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b api.Audit) int {
		return strings.Compare(a.Cluster+"\x00"+a.Resource, b.Cluster+"\x00"+b.Resource)
	})
	return all
}
