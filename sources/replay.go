package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Errors of Replay.
var (
	ErrUnknownCluster  = errors.New("no such cluster")
	ErrUnknownResource = errors.New("no such resource is watched")
	// ErrNotSurveyed says that the member has not told yet which resources the
	// wildcards among Options.Specs stand for. Nothing has begun.
	ErrNotSurveyed = errors.New("it is not known yet which resources its wildcards stand for; ask again once the cluster has answered")
	// ErrNotStored says that a replay has begun, and that a restart of the process
	// would not go on with it.
	ErrNotStored = errors.New("it has begun, but is not stored: a restart would not go on with it")
	// ErrUnknownRoute says that there is no route of that name.
	ErrUnknownRoute = errors.New("no such route")
	// ErrSelector says that a selector is none.
	ErrSelector = errors.New("no label selector")
)

// Replaying says what becomes of a replay that was asked for.
type Replaying struct {
	// Streams counts those that begin, at once or as soon as the member can be
	// reached.
	Streams int
	// Objects is how many objects sinks get again, of those that they have accepted before: of
	// several routes, the most. Replay does not count them.
	Objects int
	// Waiting are those that cannot: they begin should what they wait for come.
	Waiting []WaitingStream
	// Failed are those of which it could not be told what is selected, or kept that all is:
	// nothing of them is delivered again.
	Failed []WaitingStream
}

// WaitingStream is a stream that waits for something that only its member or an
// operator can change.
type WaitingStream struct {
	Stream string // as it was given to --watch
	Reason string // in a few words, such as "resource gone, 7 objects held"
}

// ReplaySelector says which objects of a member are delivered again.
//
//   - Namespace, Name string: of the objects. Empty: all.
//   - Labels string: a label selector, as kubectl takes it. Empty: all.
//   - Route string: the route that gets them. Empty: all of them.
type ReplaySelector = stream.Selector

// Replay has the streams of a member deliver the current state of all their
// objects again, marked as snapshot. It goes on until it is done. When Replay
// returns without an error, that is stored: a restart of the process goes on with
// it, also where the member has not been reached yet.
//
// resource names the streams: as they are given to --watch, or the resource
// alone, with or without its group's version, in the form that was given or in
// the plural ("deployments.apps"). Empty: all of them. The error wraps
// ErrUnknownCluster or ErrUnknownResource, and names what there is, or ErrNotSurveyed, or
// ErrNotStored.
func (s *Sources) Replay(ctx context.Context, cluster, resource string) (r Replaying, err error) {
	return s.replay(ctx, cluster, resource, func(st *stream.Stream) (stream.Selected, error) {
		waits, err := st.Replay()
		return stream.Selected{Waits: waits}, err
	}, true)
}

// ReplaySome is Replay for the objects that q selects. With dry it only counts them, and
// changes nothing. It lists the objects in the member if q has Labels; else it knows them from
// the ledger, and gives the member a minute for all of its streams. A stream that cannot tell
// which these are, or whose member does not answer, is among Replaying.Failed. The error wraps
// ErrUnknownRoute if q names one that there is not.
func (s *Sources) ReplaySome(ctx context.Context, cluster, resource string, q ReplaySelector, dry bool) (r Replaying, err error) {
	if q.Labels != "" {
		if _, err := labels.Parse(q.Labels); err != nil {
			return r, fmt.Errorf("%w: %w", ErrSelector, err)
		}
	}
	if isIt := func(r Route) bool { return r.Name == q.Route }; q.Route != "" && !slices.ContainsFunc(s.o.Routes, isIt) {
		return r, fmt.Errorf("replay of cluster %q to route %q: %w", cluster, q.Route, ErrUnknownRoute)
	}
	listing, cancel := context.WithTimeoutCause(ctx, listsWithin, errors.New("its turn did not come within a minute"))
	defer cancel() // what is begun is stored all the same
	return s.replay(ctx, cluster, resource, func(st *stream.Stream) (stream.Selected, error) { return st.ReplaySome(listing, q, dry) }, !dry)
}

// listsWithin is how long the streams of a member may take to find out what is selected, together.
const listsWithin = time.Minute

// replay replays the streams of a member that are meant.
func (s *Sources) replay(ctx context.Context, cluster, resource string, one func(*stream.Stream) (stream.Selected, error), store bool) (r Replaying, err error) {
	surveyed := s.surveyed(cluster) // asked before, so that its streams are among them
	all, ok := s.streams(cluster)
	if !ok {
		return r, fmt.Errorf("replay of cluster %q: %w; there are: %s", cluster, ErrUnknownCluster, enumerate(s.names()))
	}
	var meant []*stream.Stream
	var known []string
	for _, st := range all {
		if resource != "" && !means(st, resource) {
			known = append(known, st.Name())
			continue
		}
		meant = append(meant, st)
	}
	if !surveyed && (resource == "" || len(meant) == 0) {
		return r, fmt.Errorf("replay of %q in cluster %q: %w", resource, cluster, ErrNotSurveyed)
	}
	for _, st := range meant {
		selected, err := one(st)
		if err != nil {
			r.Failed = append(r.Failed, WaitingStream{st.Name(), err.Error()})
			continue
		}
		r.Objects += selected.Objects
		if selected.Waits != "" {
			r.Waiting = append(r.Waiting, WaitingStream{st.Name(), selected.Waits})
		} else {
			r.Streams++
		}
	}
	if len(meant) == 0 {
		return r, fmt.Errorf("replay of %q in cluster %q: %w; there are: %s", resource, cluster, ErrUnknownResource, enumerate(known))
	}
	if !store || len(r.Failed) == len(meant) {
		return r, nil
	}
	if err := s.o.Ledger.Flush(ctx, cluster); err != nil {
		return r, fmt.Errorf("replay of cluster %q: %w: %w", cluster, ErrNotStored, err)
	}
	return r, nil
}

// names returns the members that are not leaving.
func (s *Sources) names() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.members {
		if !r.leaving {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// means reports whether a resource, as somebody writes it, is the stream's.
func means(st *stream.Stream, resource string) bool {
	resource = strings.TrimSpace(resource)
	if resource == st.Name() || resource == st.Wildcard() && resource != "" || strings.EqualFold(resource, st.Status().Resource) {
		return true
	}
	asked, err := stream.ParseSpec(resource)
	if err != nil || asked.Wildcard() {
		return false
	}
	spec := st.Spec()
	if asked == spec || asked.String() == st.Name() && asked.OnlyRules() == (stream.Spec{}) {
		return true
	}
	return asked == stream.Spec{Resource: spec.Resource, Group: spec.Group} ||
		asked == stream.Spec{Resource: spec.Resource, Group: spec.Group, Version: spec.Version}
}

// enumerate lists names, as many as one can read.
func enumerate(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
