package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	states "github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// ErrNoNamespace says that objects of a resource have namespaces, and that none was given.
var ErrNoNamespace = errors.New("its objects have namespaces, and none is given")

// errNotConnected is why a member is not asked.
var errNotConnected = errors.New("the cluster is not connected")

// Look tells of one object what its member has of it, and what the stream that follows it
// knows. It asks the member, for some seconds at most, and may be called by any goroutine;
// each call may hold an object of up to 4 MiB, outside of the memory budget.
//
// resource is a name as kubectl takes it. An empty namespace means that of a stream which
// follows only one. The error wraps ErrUnknownCluster, ErrUnknownResource or, if it is not known what the member serves, ErrNotSurveyed, and says what would
// have to be followed; or ErrNoNamespace.
func (s *Sources) Look(ctx context.Context, cluster, resource, namespace, name string) (found Looked, err error) {
	found = Looked{Resource: resource, Namespace: namespace, Name: name}
	surveyed := s.surveyed(cluster) // asked before, so that its streams are among them
	s.mu.Lock()
	r, ok := s.presentLocked(cluster)
	if !ok {
		s.mu.Unlock()
		return found, fmt.Errorf("%w as %q; there are: %s", ErrUnknownCluster, cluster, enumerate(s.names()))
	}
	all, conn, survey := r.streams, r.conn, r.survey
	found.Source = r.config.Source
	s.mu.Unlock()
	found.Connection = conn.Status()
	found.SameAs, _ = s.twins.of(cluster)
	if survey != nil {
		found.Survey = new(survey.Status())
	}
	meant := meantBy(all, resource)
	if len(meant) == 0 && len(all) > 0 && found.Connection.State == states.Live {
		name, err := all[0].Resolve(ctx, resource)
		if errors.Is(err, stream.ErrNotServed) {
			return found, fmt.Errorf("%w: %w", ErrUnknownResource, err)
		}
		if err != nil {
			return found, fmt.Errorf("%w: %w", ErrNotSurveyed, err)
		}
		found.Resource = name
		meant = meantBy(all, name)
	}
	if len(meant) == 0 && (!surveyed || found.Connection.State != states.Live) {
		return found, ErrNotSurveyed
	}
	if len(meant) == 0 {
		return found, fmt.Errorf("%w: no --watch is for %s; add --watch %[2]s", ErrUnknownResource, found.Resource)
	}
	if is := meant[0].Status().Resource; is != "" {
		found.Resource = is
	}
	namespaced, known := meant[0].Namespaced()
	switch only := meant[0].Spec().Namespace; {
	case known && !namespaced:
		found.Namespace = ""
	case namespace == "" && len(meant) == 1 && only != "":
		found.Namespace = only
	case known && namespace == "":
		return found, fmt.Errorf("%s: %w; add -n NAMESPACE", found.Resource, ErrNoNamespace)
	}
	var only []string
	for _, st := range meant {
		if of := st.Spec().Namespace; of == "" || of == found.Namespace {
			asking, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			// Nobody waits here for the return of a connection. That of one that is in doubt may
			// be a moment away.
			if link := conn.Link(); link.Session == nil && !link.Suspect {
				cancel(errNotConnected)
			}
			found.Sight = st.Look(asking, ledger.Name{Namespace: found.Namespace, Name: name})
			found.Connection = conn.Status() // which may be why it could not be asked
			return found, nil
		}
		only = append(only, st.Spec().Namespace)
	}
	slices.Sort(only)
	return found, fmt.Errorf("%w: of %s only the namespaces %s are followed; add --watch %[2]s?namespace=%[4]s",
		ErrUnknownResource, found.Resource, enumerate(only), found.Namespace)
}

// Looked is what Sources.Look has found. With an error, Sight is empty, and what else is
// not known yet.
type Looked struct {
	Sight

	// Resource is as events have it: plural and group. Namespace is empty if its objects
	// have none.
	Resource, Namespace, Name string
	Source                    string // where the member is described
	Connection                ConnectionStatus
	SameAs                    []string      // other members that are the same cluster
	Survey                    *SurveyStatus // of what wildcards stand for; nil: there are none
}

func meantBy(all []*stream.Stream, resource string) (meant []*stream.Stream) {
	if strings.Contains(resource, "*") {
		return nil // a wildcard is no resource
	}
	for _, st := range all {
		if means(st, resource) {
			meant = append(meant, st)
		}
	}
	return meant
}
