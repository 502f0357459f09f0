package stream

import (
	"context"
	"errors"
	"strconv"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// target is what a stream follows in one cluster, and with what.
type target struct {
	resource
	name string // of the resource, with its group
	// metadata: objects are handed on as their metadata; secret: without what
	// kubectl may have copied there.
	metadata, secret bool
	// labels and fields select, of what is in the namespace.
	labels, fields string
}

// resolveTarget sets r.target for a session. If what the ledger remembers is not served,
// it returns a goneError, and claimed is what was followed.
func (r *reader) resolveTarget(ctx context.Context, session *member.Session) (claimed *target, err error) {
	if r.target != nil && !r.refresh {
		return r.target, nil
	}
	defer func() {
		// In this cluster it means nothing, or what another stream follows.
		_, isGone := errors.AsType[*goneError](err)
		if s := r.Stream; s.claimed != nil && !isGone && (errors.Is(err, errNoResource) || errors.Is(err, errClaimed)) {
			s.claimed(nil)
		}
	}()
	api, known := newServed(session.Discovery), r.recall(session)
	found, err := known.find(ctx, api, r.spec)
	gone, isGone := errors.AsType[*goneError](err)
	if isGone {
		found = gone.was
	} else if err != nil {
		return nil, err
	}
	namespaces, err := r.settle(ctx, api, known, found)
	if err != nil {
		return nil, err
	}
	t, err := r.claim(session, found, namespaces)
	if err != nil {
		return nil, err
	}
	if isGone {
		r.target = nil
		return t, gone
	}
	for _, b := range r.branches() {
		b.cursor.Mean(ledger.Meaning{Name: r.spec.base(), Version: found.gvr.Version, Kind: found.kind, Namespaced: found.namespaced})
		if due := b.cursor.SetForm(t.formOf(b.rules.program.Shape())); due != "" {
			r.log.Info("Everything is delivered again", "resource", t.name, "route", b.route.Name, "why", due)
		}
		if t.metadata && b.rules.program.Whole() && !b.rules.warned.Swap(true) {
			r.log.Info("Warning: rules need more of objects than their metadata, and no more is read of this resource: "+
				"what they say of the rest selects every object, and has every change count", "resource", t.name, "route", b.route.Name)
		}
	}
	r.target, r.refresh, r.recheck, r.absence = t, false, false, absence{}
	return t, nil
}

// claim makes the reader's branches those that follow a resource of the session's
// cluster.
func (r *reader) claim(session *member.Session, found resource, followed []string) (*target, error) {
	t := r.targetOf(found, session)
	if err := r.claims.take(r.Stream, found.name(), r.spec.Namespace); err != nil {
		return nil, err
	}
	r.found = found
	var ids []ledger.StreamID
	for _, b := range r.branches() {
		r.claimFor(b, session, t, followed)
		ids = append(ids, b.id)
	}
	if s := r.Stream; s.claimed != nil {
		s.claimed(ids)
	}
	return t, nil
}

// targetOf returns what the stream makes of a resource.
func (s *Stream) targetOf(found resource, session *member.Session) *target {
	labels, fields := s.selectorsOf(found, session)
	secret := found.gvr.Group == "" && found.gvr.Resource == "secrets" && !s.cfg.SecretValues
	return &target{
		resource: found,
		name:     found.name().String(),
		metadata: s.spec.Metadata || secret,
		secret:   secret,
		labels:   labels,
		fields:   fields,
	}
}

// claimFor claims the cursor of a branch.
func (r *reader) claimFor(b *branch, session *member.Session, t *target, followed []string) {
	program := r.compile(b, t, session.UID)
	cursor, predecessors := r.ledger.Claim(ledger.Claiming{
		ID: ledger.StreamID{
			Cluster: r.cluster, ClusterUID: session.UID, Resource: t.name,
			Namespace: r.spec.Namespace, Route: b.route.Name,
		},
		Mine: b.cursor, Digest: session.Digest, Others: session.Others,
		Selection: r.selectionOf(program),
		Followed:  followed,
	})
	b.id = cursor.ID() // of the UID, if a digest stands in its place now
	b.predecessors = predecessors
	cursor.Attest(session.DefaultUID, session.ServiceUID)
	b.origin = r.origin(b, t.resource, cursor, b.id.ClusterUID)

	s := r.Stream
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resource, s.what, b.cursor = t.name, t.resource, cursor
	s.useLocked(b, program)
	s.ledger.TakeDueOf(cursor, s.name)
}

// form names how the target's objects are delivered.
func (t *target) form() string {
	form := "whole"
	switch {
	case t.secret:
		form = "metadata without values"
	case t.metadata:
		form = "metadata"
	}
	return form + " of " + t.gvr.Version
}

// origin returns the origin of changes of a cursor.
func (r *reader) origin(b *branch, what resource, cursor *ledger.Cursor, clusterUID string) *pipeline.Origin {
	return &pipeline.Origin{
		Cluster: r.cluster, ClusterUID: clusterUID,
		Resource: what.gvr, Kind: what.kind, Namespaced: what.namespaced,
		Term: r.term, Tracker: rereader{tracker{cursor, b.acks, r.buffers}, r.Stream, b},
	}
}

// What to ask for. The second choice of each is for servers that do not know
// the first; it is reduced to the metadata here.
const (
	acceptObjects      = "application/json"
	acceptMetadata     = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
	acceptMetadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)

// collection makes r a request of the collection in a namespace; empty: in all of them. Where
// the namespace or the resource is no single segment of a path, such as "..", the request
// fails, and nothing is sent: names may come from anybody.
func (t *target) collection(r *rest.Request, namespace string) *rest.Request {
	if t.gvr.Group == "" {
		r = r.AbsPath("api", t.gvr.Version)
	} else {
		r = r.AbsPath("apis", t.gvr.Group, t.gvr.Version)
	}
	if namespace != "" {
		r = r.Namespace(namespace)
	}
	return r.Resource(t.gvr.Resource)
}

// request returns a GET of a target's collection.
func (s *Stream) request(session *member.Session, t *target, accept string) *rest.Request {
	return s.requestIn(session, t, accept, s.spec.Namespace, t.fields)
}

func (s *Stream) requestIn(session *member.Session, t *target, accept, namespace, selected string) *rest.Request {
	r := t.collection(session.Watches.Get(), namespace).MaxRetries(0).SetHeader("Accept", accept)
	if t.labels != "" {
		r.Param("labelSelector", t.labels)
	}
	if selected != "" {
		r.Param("fieldSelector", selected)
	}
	return r
}

func (r *reader) watchRequest(session *member.Session, timeoutSeconds int64) *rest.Request {
	accept := acceptObjects
	if r.target.metadata {
		accept = acceptMetadata
	}
	return r.request(session, r.target, accept).
		Param("watch", "true").
		Param("allowWatchBookmarks", "true").
		Param("timeoutSeconds", strconv.FormatInt(timeoutSeconds, 10))
}

// listRequest asks for a page, or for all if limit is 0.
func (s *Stream) listRequest(session *member.Session, t *target, metadata bool, limit int, token string) *rest.Request {
	accept := acceptObjects
	if metadata {
		accept = acceptMetadataList
	}
	r := s.request(session, t, accept)
	if limit > 0 {
		r.Param("limit", strconv.Itoa(limit))
	}
	if token != "" {
		r.Param("continue", token)
	}
	return r
}

// oneRequest asks for the list of one object, if it is selected: who may follow a
// resource may list it, and need not be allowed to get an object.
func (s *Stream) oneRequest(session *member.Session, t *target, namespace, name string) *rest.Request {
	accept := acceptObjects
	if t.metadata {
		accept = acceptMetadataList
	}
	selected := fields.OneTermEqualSelector("metadata.name", name).String()
	return s.requestIn(session, t, accept, namespace, both(t.fields, selected))
}
