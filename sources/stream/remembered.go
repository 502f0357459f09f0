package stream

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// remembered is what the ledger remembers of a member. A name is resolved once in each
// cluster, and keeps its meaning there, whatever is installed later.
type remembered []ledger.Remembered

func (s *Stream) recall(session *member.Session) remembered {
	return s.ledger.Recall(s.cluster, session.UID, session.Others...)
}

// sameSelection reports whether a stream is one of a spec's selection.
func sameSelection(r ledger.Remembered, spec Spec) bool {
	of := r.Selection
	of.Where, of.Changed = "", "" // what the routes' rules say
	return of == ledger.Selection{Namespace: spec.Namespace, Labels: spec.Labels, Fields: spec.Fields}
}

// meaning returns what a spec has meant in the cluster: what was asked for by
// that name, or else what has that name in full. Streams with the selection of
// the spec go before others.
func (m remembered) meaning(spec Spec) (found ledger.Remembered, ok bool) {
	best := 0
	for _, r := range m {
		rank := 0
		switch {
		case !r.Own:
		case r.Meaning.Name == spec.base():
			rank = 3
		case r.ID.Resource == spec.base():
			rank = 1
		}
		if rank > 0 && sameSelection(r, spec) {
			rank++
		}
		if rank > best {
			best, found, ok = rank, r, true
		}
	}
	return found, ok
}

// among returns the one of several resources that there is a stream of with the
// spec's selection. It is for ledgers from before meanings were recorded.
func (m remembered) among(found []resource, spec Spec) (one *resource) {
	for _, r := range m {
		for i := range found {
			if !r.Own || !sameSelection(r, spec) || groupResource(r) != found[i].name() {
				continue
			}
			if one != nil && one.name() != found[i].name() { // else it is of another route
				return nil
			}
			one = &found[i]
		}
	}
	return one
}

// guess returns the one stream of the spec's selection whose resource has that
// plural name, in any group. It is for names that tell nothing by themselves,
// and for ledgers from before meanings were recorded.
func (m remembered) guess(spec Spec, own bool) (found ledger.Remembered, ok bool) {
	for _, r := range m {
		if r.Own != own || !sameSelection(r, spec) || spec.Group != "" || groupResource(r).Resource != spec.Resource {
			continue
		}
		if r.Known == 0 && r.Meaning == (ledger.Meaning{}) {
			continue // claimed, but never used
		}
		if ok && r.ID.Resource != found.ID.Resource {
			return ledger.Remembered{}, false
		}
		found, ok = r, true
	}
	return found, ok
}

// inPredecessor returns what a spec has meant in another cluster that had the member's
// name before.
func (m remembered) inPredecessor(spec Spec) (found ledger.Remembered, ok bool) {
	for _, r := range m {
		if !r.Own && sameSelection(r, spec) && (r.Meaning.Name == spec.base() || r.ID.Resource == spec.base()) {
			return r, true
		}
	}
	return m.guess(spec, false)
}

// base is the resource as it was asked for, without version and selection.
func (s Spec) base() string { return Spec{Resource: s.Resource, Group: s.Group}.String() }

// goneError says that a spec means nothing in the cluster at the moment, although
// the ledger remembers its meaning.
type goneError struct {
	error                  // wraps errNoResource or errAmbiguous
	was           resource // without version and kind if these were not recorded
	told          bool     // the discovery of the group was complete
	inPredecessor bool     // it was in another cluster of that name
}

func (e *goneError) Unwrap() error { return e.error }

// find settles what a spec means in the cluster.
func (m remembered) find(ctx context.Context, api *served, spec Spec) (resource, error) {
	if was, ok := m.meaning(spec); ok {
		return m.findAgain(ctx, api, spec, was)
	}
	r, err := api.resolve(ctx, spec)
	if ambiguous, ok := errors.AsType[*ambiguousError](err); ok {
		if one := m.among(ambiguous.found, spec); one != nil {
			return suits(one, nil, spec)
		}
	} else if !errors.Is(err, errNoResource) {
		return r, err
	}
	if was, ok := m.guess(spec, true); ok {
		return m.findAgain(ctx, api, spec, was)
	}
	if was, ok := m.inPredecessor(spec); ok {
		return resource{}, m.gone(api, was, err)
	}
	return resource{}, err
}

// findAgain finds what a spec has meant before.
func (m remembered) findAgain(ctx context.Context, api *served, spec Spec, was ledger.Remembered) (resource, error) {
	r, err := api.resource(ctx, groupResource(was), spec)
	if !errors.Is(err, errNoResource) {
		return r, err
	}
	switch now, other := api.resolve(ctx, spec); {
	case other == nil && now.name() != groupResource(was):
		err = fmt.Errorf("%w; %s was %s here and would be %s now: write the one that is meant", err, spec.base(), was.ID.Resource, now.name())
	case errors.Is(other, errAmbiguous):
		err = fmt.Errorf("%w; %s was %s here: %w", err, spec.base(), was.ID.Resource, other)
	}
	return resource{}, m.gone(api, was, err)
}

func groupResource(r ledger.Remembered) schema.GroupResource {
	return schema.ParseGroupResource(r.ID.Resource)
}

func (m remembered) gone(api *served, was ledger.Remembered, err error) *goneError {
	gr := groupResource(was)
	return &goneError{
		error:         err,
		was:           resource{gvr: gr.WithVersion(was.Meaning.Version), kind: was.Meaning.Kind, namespaced: was.Meaning.Namespaced},
		told:          api.all != nil && api.all.lacks(gr),
		inPredecessor: !was.Own,
	}
}
