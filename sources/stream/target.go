package stream

import (
	"context"
	"errors"
	"strconv"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/member"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// target is what a stream follows in one cluster, and with what.
type target struct {
	resource
	name   string // of the resource, with its group
	id     ledger.StreamID
	cursor *ledger.Cursor
	former []*ledger.Cursor // of other clusters under this name; see retire
	origin *pipeline.Origin
	// metadata: objects are handed on as their metadata; secret: without what
	// kubectl may have copied there.
	metadata, secret bool
}

// aim settles s.target for a session. If what the ledger remembers is not served,
// it returns a goneError, and claimed is what was followed.
func (s *Stream) aim(ctx context.Context, session *member.Session) (claimed *target, err error) {
	if s.target != nil && !s.refresh {
		return s.target, nil
	}
	api, known := look(session.Discovery), s.remember(session)
	r, err := known.find(ctx, api, s.spec)
	gone, isGone := errors.AsType[*goneError](err)
	if isGone {
		r = gone.was
	} else if err != nil {
		return nil, err
	}
	if err := s.giveWay(ctx, api, known, r); err != nil {
		return nil, err
	}
	t, err := s.claim(session, r)
	if err != nil {
		return nil, err
	}
	if isGone {
		s.target = nil
		return t, gone
	}
	t.cursor.Mean(ledger.Meaning{Name: s.spec.base(), Version: r.gvr.Version, Kind: r.kind, Namespaced: r.namespaced})
	if due := t.cursor.Address(t.form()); due != "" {
		s.log.Info("Everything is delivered again", "resource", t.name, "why", due)
	}
	s.target, s.refresh, s.recheck, s.absence = t, false, false, absence{}
	return t, nil
}

// claim makes the stream the one that follows a resource of the session's
// cluster.
func (s *Stream) claim(session *member.Session, r resource) (*target, error) {
	secret := r.gvr.Group == "" && r.gvr.Resource == "secrets" && !s.cfg.SecretValues
	t := &target{
		resource: r,
		name:     r.name().String(),
		metadata: s.spec.Metadata || secret,
		secret:   secret,
	}
	if err := s.claims.take(s, r.name(), s.spec.Namespace); err != nil {
		return nil, err
	}
	t.id = ledger.StreamID{
		Cluster: s.cluster, ClusterUID: session.UID, Resource: t.name,
		Namespace: s.spec.Namespace,
	}
	p := &s.progress
	p.mu.Lock()
	mine := p.cursor
	p.mu.Unlock()
	t.cursor, t.former = s.ledger.Claim(ledger.Claiming{
		ID: t.id, Digest: session.Digest, Others: session.Others, Selection: s.spec.selection(), Mine: mine,
	})
	t.id = t.cursor.ID() // of the UID, if a digest stands in its place now
	t.cursor.Attest(session.DefaultUID, session.ServiceUID)
	t.origin = s.origin(r, t.cursor, t.id.ClusterUID)

	p.mu.Lock()
	p.resource, p.cursor = t.name, t.cursor
	p.mu.Unlock()
	return t, nil
}

// selection is what the ledger is told of what a spec selects.
func (s Spec) selection() ledger.Selection {
	return ledger.Selection{Namespace: s.Namespace, Labels: s.Labels, Fields: s.Fields}
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
func (s *Stream) origin(r resource, cursor *ledger.Cursor, clusterUID string) *pipeline.Origin {
	return &pipeline.Origin{
		Cluster: s.cluster, ClusterUID: clusterUID,
		Resource: r.gvr, Kind: r.kind, Namespaced: r.namespaced,
		Tracker: tracker{cursor, &s.acks, s.buffers},
	}
}

// What to ask for. The second choice of each is for servers that do not know
// the first; it is reduced to the metadata here.
const (
	acceptObjects      = "application/json"
	acceptMetadata     = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
	acceptMetadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)

// path is that of the collection in a namespace; empty: in all of them.
func (t *target) path(namespace string) []string {
	path := []string{"apis", t.gvr.Group, t.gvr.Version}
	if t.gvr.Group == "" {
		path = []string{"api", t.gvr.Version}
	}
	if namespace != "" {
		path = append(path, "namespaces", namespace)
	}
	return append(path, t.gvr.Resource)
}

// request returns a GET of a target's collection.
func (s *Stream) request(session *member.Session, t *target, accept string) *rest.Request {
	r := session.Watches.Get().AbsPath(t.path(s.spec.Namespace)...).MaxRetries(0).SetHeader("Accept", accept)
	if s.spec.Labels != "" {
		r.Param("labelSelector", s.spec.Labels)
	}
	if s.spec.Fields != "" {
		r.Param("fieldSelector", s.spec.Fields)
	}
	return r
}

func (s *Stream) watchRequest(session *member.Session, timeoutSeconds int64) *rest.Request {
	accept := acceptObjects
	if s.target.metadata {
		accept = acceptMetadata
	}
	return s.request(session, s.target, accept).
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
