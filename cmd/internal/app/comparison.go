package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/compare"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sources"
)

// Bounds of a comparison.
const (
	comparePause    = time.Second     // between two readings
	compareQuiet    = 5 * time.Second // after which a blank line shows that somebody is there
	mostCompared    = 1000            // clusters and resources that a request names
	mostDiffLetters = 200             // differences of a stream that are looked up among the dead letters
)

// comparison is a request for a comparison of what a sink has.
type comparison struct {
	p         *program
	e         *engine
	route     *route
	sink      sinks.ReadBacker
	clusters  []string
	all       bool     // clusters are those that there are
	resources []string // empty: all
	sample    int
	repair    bool

	streams compareStreams
	release func() // has another one begin
	out     *diffWriter
	done    api.DiffDone
}

// compareStreams is Compare of sources.Sources.
type compareStreams func(ctx context.Context, cluster, resource, route string, f func(ctx context.Context, stream string, c *sources.Comparison, err error) error) error

// serveDiff answers GET /diff, which compares, and POST /diff, which also repairs: a line of
// JSON for each difference, for each stream and for the end. One comparison at a time is under
// way. It goes on for as long as that takes, and ends when the client goes, the program stops
// or its settings change.
func (p *program) serveDiff(w http.ResponseWriter, r *http.Request) {
	refuse := func(code int, e api.Error) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(e) // who asked may have gone
	}
	e := p.current()
	if e == nil || p.changing.Load() != nil {
		refuse(http.StatusServiceUnavailable, api.Error{Error: "nothing is delivered at the moment; ask again"})
		return
	}
	c, code, wrong := p.comparisonOf(r, e)
	if wrong != nil {
		refuse(code, *wrong)
		return
	}
	if !p.comparing.CompareAndSwap(false, true) {
		refuse(http.StatusConflict, api.Error{Error: "a comparison is under way already; wait for its end"})
		return
	}
	c.release = sync.OnceFunc(func() { p.comparing.Store(false) })
	defer c.release()

	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	out, err := newDiffWriter(w, cancel)
	if err != nil {
		p.log.V(1).Info("A comparison cannot be told", "reason", err.Error())
		return
	}
	c.out = out
	stopped := make(chan struct{})
	defer func() { <-stopped }()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		defer close(stopped)
		c.watch(cancel, ended)
	}()
	c.run(ctx)
}

// comparisonOf returns what a request asks for.
func (p *program) comparisonOf(r *http.Request, e *engine) (c *comparison, code int, wrong *api.Error) {
	bad := func(format string, args ...any) (*comparison, int, *api.Error) {
		return nil, http.StatusBadRequest, &api.Error{Error: fmt.Sprintf(format, args...)}
	}
	q, err := parameters(r, "sink", "cluster", "resource", "sample")
	if err != nil {
		return bad("%v", err)
	}
	c = &comparison{p: p, e: e, streams: e.sources.Compare, repair: r.Method == http.MethodPost, clusters: listed(q.Get("cluster")), resources: listed(q.Get("resource"))}
	if len(c.clusters) > mostCompared || len(c.resources) > mostCompared {
		return bad("more than %d clusters or resources; leave the parameter out for all", mostCompared)
	}
	if s := q.Get("sample"); s != "" {
		if c.sample, err = strconv.Atoi(s); err != nil || c.sample < 1 || c.sample > mostSample {
			return bad("sample=%q is no number of objects from 1 to 1,000,000", clipped(s))
		}
	}
	if c.route = e.routeOf(q.Get("sink")); c.route == nil {
		return nil, http.StatusNotFound, &api.Error{Error: fmt.Sprintf("there is no sink %q", clipped(q.Get("sink"))), Known: e.settings.sinkNames()}
	}
	var ok bool
	if c.sink, ok = c.route.to.(sinks.ReadBacker); !ok {
		var known []string
		for _, r := range e.routes {
			if _, ok := r.to.(sinks.ReadBacker); ok {
				known = append(known, r.name)
			}
		}
		say := fmt.Sprintf("the sink %s cannot tell what its destination has; postgres (with tables=state or both), hub and buckets of nats can", c.route.name)
		return nil, http.StatusBadRequest, &api.Error{Error: say, Known: known}
	}
	var known []string
	for _, m := range e.sources.Status() {
		known = append(known, m.Connection.Cluster)
	}
	for _, name := range c.clusters {
		if !slices.Contains(known, name) {
			return nil, http.StatusNotFound, &api.Error{Error: fmt.Sprintf("there is no cluster %q", clipped(name)), Known: known}
		}
	}
	if len(c.clusters) == 0 {
		c.clusters, c.all = known, true
	}
	if len(c.resources) == 0 {
		c.resources = []string{""}
	}
	return c, 0, nil
}

// listed splits a parameter at commas, as tail has it.
func listed(s string) (all []string) {
	for one := range strings.SplitSeq(s, ",") {
		if one = strings.TrimSpace(one); one != "" {
			all = append(all, one)
		}
	}
	return all
}

// routeOf returns the route of that name; nil: there is none.
func (e *engine) routeOf(name string) *route {
	for _, r := range e.routes {
		if r.name == name {
			return r
		}
	}
	return nil
}

// watch ends the comparison when the program stops, does not lead any more or changes its
// settings, which may close the sink.
func (c *comparison) watch(end context.CancelCauseFunc, ended <-chan struct{}) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-c.p.stopping:
			end(errors.New("the program is stopping"))
			c.out.cut()
			<-ended
			return
		case now := <-ticker.C:
			if c.p.changing.Load() != nil || c.p.current() != c.e {
				end(errChanging)
			}
			c.out.keepAlive(now)
		}
	}
}

// run compares one stream after the other.
func (c *comparison) run(ctx context.Context) {
	for _, cluster := range c.clusters {
		for _, resource := range c.resources {
			told := c.done.Failed
			err := c.streams(ctx, cluster, resource, c.route.name, func(ctx context.Context, name string, s *sources.Comparison, err error) error {
				c.stream(ctx, cluster, name, s, err)
				return context.Cause(ctx) // of a member that leaves there is nothing more to tell
			})
			if why := context.Cause(ctx); why != nil {
				c.fail(&api.DiffStream{Cluster: cluster}, fmt.Errorf("the comparison has ended early: %w", why))
				return
			}
			switch {
			case err == nil || c.done.Failed > told: // its stream has told why
			case c.all && errors.Is(err, sources.ErrUnknownCluster): // it has left, or leaves
			default:
				c.fail(&api.DiffStream{Cluster: cluster}, err)
			}
		}
	}
	c.release() // who has read the last line may ask for another one
	c.out.line(&api.DiffLine{Done: &c.done})
}

// fail tells that a stream could not be compared.
func (c *comparison) fail(s *api.DiffStream, err error) {
	c.done.Failed++
	s.Error = redact.New().Text(err)
	c.out.line(&api.DiffLine{Stream: s})
}

// stream compares one stream, and tells of it.
func (c *comparison) stream(ctx context.Context, cluster, name string, s *sources.Comparison, err error) {
	c.done.Streams++
	told := &api.DiffStream{Cluster: cluster, Stream: name}
	var r *compare.Result
	if err == nil {
		told.Resource = s.Resource()
		r, err = compare.Run(ctx, compare.Options{Cluster: cluster, Stream: s, Sink: c.sink, Sample: c.sample, Pause: comparePause})
	}
	if err != nil {
		if why := context.Cause(ctx); why != nil {
			err = why
		}
		c.fail(told, err)
		return
	}
	all := c.differences(ctx, cluster, s.Resource(), r)
	if c.repair && len(all) > 0 {
		if repaired := c.repairAll(ctx, s, r, all); repaired > 0 {
			c.p.log.Info("Repairs what a comparison has found, as it was asked for", "cluster", cluster, "resource", s.Resource(), "sink", c.route.name, "objects", repaired)
		}
	}
	for i := range all {
		c.out.line(&api.DiffLine{Difference: &all[i]})
	}
	told.Objects, told.Differences, told.More = r.Compared, len(all), r.More
	told.Pending, told.Filtered, told.Changing = r.Pending, r.Filtered, r.Changing
	c.done.Objects += r.Compared
	c.done.Differences += len(all) + r.More
	c.out.line(&api.DiffLine{Stream: told})
}

// verdictDeadLettered is of an object whose state the sink has refused for good.
const verdictDeadLettered = "DeadLettered"

// differences returns what is told of the differences of a stream.
func (c *comparison) differences(ctx context.Context, cluster, resource string, r *compare.Result) []api.Difference {
	all := make([]api.Difference, len(r.Differences))
	for i := range r.Differences {
		d := &r.Differences[i]
		told := api.Difference{
			Cluster: cluster, Resource: resource, Namespace: d.Namespace, Name: d.Name, Verdict: string(d.Verdict),
			Member: viewOf(d.Member), Ledger: viewOf(d.Acked()), Sink: viewOf(d.Sink),
		}
		switch {
		case d.Ledger.LeftOut:
			told.Message = "the ledger has no room for it: raise --max-objects or --max-ledger-bytes"
		case d.Unselected && d.Verdict == compare.OnlyInSink:
			told.Message = "the route does not select it"
		case c.p.dead != nil && i < mostDiffLetters && d.Member != (compare.State{}) && d.Acked() == d.Member:
			key := pipeline.Key{Cluster: cluster, Resource: resource, Namespace: d.Namespace, Name: d.Name}
			if letter, ok := c.p.letters(ctx, key, c.route.name)[c.route.name]; ok && letter.Event.UID() == d.Member.UID && letter.Event.ResourceVersion == d.Member.Version {
				told.Verdict, told.Message = verdictDeadLettered, "the sink has refused it for good: "+letter.Reason
			}
		}
		all[i] = told
	}
	return all
}

// viewOf returns a state as the API has it.
func viewOf(s compare.State) api.InMember {
	return api.InMember{Exists: s != compare.State{}, UID: s.UID, ResourceVersion: s.Version}
}

// mostSample is how many objects of a stream are drawn at most.
const mostSample = 1_000_000

// repairer is a stream whose objects can be delivered again, as sources.Comparison is.
type repairer interface {
	Repair(names []sources.ObjectName) (waits string, err error)
	Bury(ctx context.Context, n sources.ObjectName, uid, version string) error
}

// repairAll has what differs delivered again, and notes what becomes of each. It returns how
// many objects are.
func (c *comparison) repairAll(ctx context.Context, s repairer, r *compare.Result, all []api.Difference) (repaired int) {
	var again []sources.ObjectName
	var of []int
	stuck := ""
	for i := range all {
		d := &r.Differences[i]
		switch {
		case all[i].Verdict == verdictDeadLettered:
			all[i].Repair = "none: run fairlead dead-letter retry once the sink takes it"
		case d.Verdict == compare.OnlyInSink && !d.Ledger.Known && d.Member != (compare.State{}) && !d.Unselected:
			all[i].Repair = "none: the cluster has it"
		case d.Verdict == compare.OnlyInSink && !d.Ledger.Known && stuck != "":
			all[i].Repair = stuck // each would wait as long
		case d.Verdict == compare.OnlyInSink && !d.Ledger.Known:
			if err := s.Bury(ctx, d.ObjectName, d.Sink.UID, d.Sink.Version); err != nil {
				all[i].Repair = "none: " + redact.New().Text(err)
				if errors.Is(err, sources.ErrLaneFull) {
					stuck = all[i].Repair
				}
			} else {
				all[i].Repair = "its deletion is on its way"
				repaired++
			}
		case d.Ledger.LeftOut:
			all[i].Repair = "none: the ledger has no room for it; once it has, it is delivered"
		default:
			again, of = append(again, d.ObjectName), append(of, i)
		}
	}
	if len(again) == 0 {
		return repaired
	}
	says := "it is delivered again"
	waits, err := s.Repair(again)
	switch {
	case err != nil:
		for _, i := range of {
			all[i].Repair = "none: " + redact.New().Text(err)
		}
		return repaired
	case waits != "":
		says = "it is delivered again when it can be: " + waits
	}
	stored, cancel := context.WithTimeoutCause(ctx, replayStored, errors.New("the ledger has not been written in time"))
	defer cancel()
	if err := c.e.sources.StoreRepairs(stored, all[0].Cluster); err != nil {
		says += ", unless the program restarts before: " + redact.New().Text(err)
	}
	for _, i := range of {
		all[i].Repair = says
	}
	return repaired + len(again)
}
