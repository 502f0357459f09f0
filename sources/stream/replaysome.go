package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/fields"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// Selector says which objects are delivered again. The zero value is all of them.
type Selector struct {
	Namespace string // empty: all
	Name      string // empty: all
	Labels    string // as API servers take it; empty: all
	Route     string // only to this one; empty: to all
}

// all reports whether it selects all objects of a stream.
func (q Selector) all() bool { return q.Namespace == "" && q.Name == "" && q.Labels == "" }

// Selected is what a Selector comes to in one stream.
type Selected struct {
	// Objects is how many objects sinks have accepted, and get again: of several routes, the
	// most.
	Objects int
	// Waits is what for the stream waits before that begins, in a few words; empty: nothing.
	Waits string
}

// errNotKnown says that a stream has not found out what it follows.
var errNotKnown = errors.New("it is not known yet what the sinks have of it; try again once its cluster has answered")

// errNoRoute says that a selector names a route that there is not.
var errNoRoute = errors.New("there is no such route")

// answersWithin is how long the member is waited for, to be connected and then for each page,
// before a replay of what has labels is given up.
const answersWithin = 15 * time.Second

// ReplaySome is Replay for the objects that q selects. With dry nothing is delivered: it only
// counts. It asks the member for the names if there are Labels, and blocks until that has
// answered or ctx ends.
func (s *Stream) ReplaySome(ctx context.Context, q Selector, dry bool) (Selected, error) {
	meant := func(b *branch) bool { return q.Route == "" || q.Route == b.route.Name }
	var cursors []*ledger.Cursor
	unknown := false
	s.mu.Lock()
	for _, b := range s.branches {
		if meant(b) {
			unknown = unknown || b.cursor == nil
			cursors = append(cursors, b.cursor)
		}
	}
	s.mu.Unlock()
	switch {
	case len(cursors) == 0:
		return Selected{}, fmt.Errorf("%q: %w", q.Route, errNoRoute)
	case q.all() && !dry:
		var r Selected
		for _, c := range cursors {
			if c != nil {
				r.Objects = max(r.Objects, c.CountAcked(c.Names()))
			}
		}
		if err := s.raiseDue(meant); err != nil {
			return Selected{}, err
		}
		r.Waits = s.askForReplay(meant)
		return r, nil
	case unknown:
		return Selected{}, fmt.Errorf("%s: %w", s.name, errNotKnown)
	case q.Labels != "":
		return s.replayLabelled(ctx, q, meant, cursors, dry)
	}
	var r Selected
	for _, c := range cursors {
		r.Objects = max(r.Objects, markDue(c, q.among(c.Names()), dry))
	}
	return s.begun(r, meant, dry), nil
}

// markDue makes the named objects due, or only counts them.
func markDue(c *ledger.Cursor, names iter.Seq[ledger.Name], dry bool) int {
	if dry {
		return c.CountAcked(names)
	}
	return c.RaiseDueOf(names)
}

// among ranges over the names that have the namespace and name.
func (q Selector) among(names iter.Seq[ledger.Name]) iter.Seq[ledger.Name] {
	return func(yield func(ledger.Name) bool) {
		for n := range names {
			if (q.Namespace == "" || q.Namespace == n.Namespace) && (q.Name == "" || q.Name == n.Name) && !yield(n) {
				return
			}
		}
	}
}

func (s *Stream) begun(r Selected, meant func(*branch) bool, dry bool) Selected {
	if !dry && r.Objects > 0 {
		r.Waits = s.askForReplay(meant)
	}
	return r
}

// replayLabelled is ReplaySome by a list of the member. It marks nothing before it has the whole
// list. It keeps the names that a sink has accepted, and so no more than the ledger.
func (s *Stream) replayLabelled(ctx context.Context, q Selector, meant func(*branch) bool, cursors []*ledger.Cursor, dry bool) (r Selected, err error) {
	soon, cancel := context.WithTimeoutCause(ctx, answersWithin, errors.New("the cluster does not answer"))
	defer cancel()
	session, err := s.conn.Acquire(soon)
	if err != nil {
		return r, fmt.Errorf("list what has the labels: %w", err)
	}
	s.mu.Lock()
	what := s.what
	s.mu.Unlock()
	t := s.targetOf(what, session)
	t.labels = both(t.labels, q.Labels)
	found := map[ledger.Name]struct{}{}
	for token := ""; ; {
		names, next, err := s.pageOfNames(ctx, session, t, q, token)
		if err != nil {
			return r, fmt.Errorf("list what has the labels: %s", s.main.Load().brief(err))
		}
		for name := range q.among(slices.Values(names)) {
			if slices.ContainsFunc(cursors, func(c *ledger.Cursor) bool { return c.CountAcked(slices.Values([]ledger.Name{name})) > 0 }) {
				found[name] = struct{}{}
			}
		}
		if token = next; token == "" {
			break
		}
	}
	for _, c := range cursors {
		r.Objects = max(r.Objects, markDue(c, maps.Keys(found), dry))
	}
	return s.begun(r, meant, dry), nil
}

// pageOfNames returns the names in a page of a list of metadata, and the token of the next.
func (s *Stream) pageOfNames(ctx context.Context, session *member.Session, t *target, q Selector, token string) (names []ledger.Name, next string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answersWithin, errors.New("the cluster does not answer"))
	defer cancel()
	selected := t.fields
	if q.Name != "" {
		selected = both(selected, fields.OneTermEqualSelector("metadata.name", q.Name).String())
	}
	namespace := s.spec.Namespace
	if namespace == "" && t.namespaced {
		namespace = q.Namespace
	}
	request := s.requestIn(session, t, acceptMetadataList, namespace, selected).Param("limit", fmt.Sprint(pageSize))
	if token != "" {
		request.Param("continue", token)
	}
	body, err := request.Stream(ctx)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = body.Close() }()
	spill := &wire.Spill{Room: &lone{ctx: ctx, account: s.branches[0].account}}
	defer spill.End()
	items := wire.NewListReader(countingReader{body, &s.progress.bytes}, spill)
	var scan wire.Scanner
	var f wire.Frame
	for began := time.Now(); ; {
		item, tooLong, err := items.Next()
		if errors.Is(err, io.EOF) {
			next, err = items.Meta.Next(token)
			return names, next, err
		}
		if err != nil {
			return nil, "", err
		}
		if !scan.ScanObject(item, &f) && !tooLong || f.Meta == nil {
			return nil, "", wire.ErrMalformed
		}
		if len(names) >= mostOfPage || time.Since(began) > openTimeout {
			return nil, "", fmt.Errorf("%w: a page of more objects than were asked for", wire.ErrMalformed)
		}
		names = append(names, ledger.Name{Namespace: wire.Unquote(f.Namespace), Name: wire.Unquote(f.Name)})
	}
}

// mostOfPage is how many objects a page may have: old servers know no pages of what is not in
// etcd.
const mostOfPage = 1 << 20
