package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// Sight is one object at one moment: what its member has of it, and what the stream that
// follows it knows.
type Sight struct {
	Stream Status
	// Asked is whether the member has answered what it has of the object; Error is why not,
	// without credentials. It is asked only while the stream is connected.
	Asked bool
	Error string
	// Exists is whether the member has the object; then with this UID and version.
	Exists               bool
	UID, ResourceVersion string
	// Selector is what the API server was asked to select by, if that leaves the object out.
	Selector string
	Routes   []RouteSight // as in Stream.Routes
}

// RouteSight is one object as one route knows it. See ledger.Standing.
type RouteSight struct {
	Route string

	AckedUID, AckedVersion string // what the sink has accepted last; empty: nothing
	Known                  bool   // the sink may hold it
	Due                    bool   // the accepted state is to be delivered again
	Gone                   string // version of the deletion that the sink has accepted last
	Pending                bool   // a state was observed, and is not accepted
	PendingVersion         string
	PendingDeletion        bool
	PendingSince           time.Time
	Begun                  bool // it was taken from the queue
	Unstored               bool // the ledger has yet to store that it will be delivered
	Position               string
	BlockedSince           time.Time // since when the stream waits for room in the lane; zero: it does not
	Partial                bool      // a snapshot has left objects out

	// Of the object that the member has:
	Has         bool     // the sink has accepted that state, or a newer one
	Reached     bool     // the stream has read all that there was at its version
	Unmet       []string // the expressions that are false for it: the route does not select it
	FilterError string   // an expression could not be evaluated: that selects it
	Unchanged   bool     // nothing that counts differs from what was accepted
}

// Bounds of one question to a member.
const (
	lookTimeout = 4 * time.Second
	mostLooked  = 4 << 20 // bytes of the object
)

var errTooLargeToLook = fmt.Errorf("the object is larger than %d MiB, and is not looked at here", mostLooked>>20)

// Connected reports whether the stream reads from its member, or is about to: also while it
// leaves out what the ledger has no room for.
func (s *Status) Connected() bool {
	switch s.State {
	case member.Live, member.Syncing, member.Stale:
		return true
	case member.Waiting:
		return s.Reason == tooMany.String()
	}
	return false
}

// Look tells of one object. It asks the member for it, once or, if there are selectors,
// twice, for at most 4 s. Any goroutine may call it, also while the stream runs. The
// caller bounds how many do so at once: each holds the object, of up to 4 MiB, outside of
// the memory budget.
func (s *Stream) Look(ctx context.Context, n ledger.Name) Sight {
	status := s.Status()
	sight := Sight{Stream: status}
	s.mu.Lock()
	about := s.branches[0].rules.about
	s.mu.Unlock()
	var object *selection.Object
	if status.Connected() && about.GroupVersionResource.Resource != "" {
		o, err := s.lookAt(ctx, about, n, &sight)
		if object = o; err != nil {
			sight.Error = s.main.Load().brief(err)
		}
		sight.Asked = err == nil
	} else {
		sight.Error = "the stream is not connected"
	}
	// What the routes know comes after what the member has: so it is not older.
	for _, b := range s.branches {
		s.mu.Lock()
		cursor, program := b.cursor, b.rules.program
		s.mu.Unlock()
		r := RouteSight{Route: b.route.Name, BlockedSince: b.blocked.get()}
		if cursor != nil {
			r.look(cursor, program, n, &sight, object)
		}
		sight.Routes = append(sight.Routes, r)
	}
	return sight
}

func (r *RouteSight) look(cursor *ledger.Cursor, p *selection.Program, n ledger.Name, sight *Sight, o *selection.Object) {
	at := cursor.Standing(n)
	r.AckedUID, r.AckedVersion, r.Known, r.Due, r.Gone = at.Acked.UID, at.Acked.ResourceVersion, at.Known, at.Due, at.Gone
	r.Pending, r.PendingVersion, r.PendingDeletion, r.PendingSince = at.Pending, at.Version, at.Deletion, at.Since
	r.Begun, r.Unstored, r.Position, r.Partial = at.Begun, at.Unstored, at.Position, at.Partial
	r.Has = sight.Exists && cursor.Has(n, ledger.Version{UID: sight.UID, ResourceVersion: sight.ResourceVersion})
	r.Reached = sight.Exists && cursor.Reached(sight.ResourceVersion)
	if o == nil {
		return
	}
	switch selected, err := p.Match(*o); {
	case !selected && !mayBeSelected(p, *o):
		r.Unmet = p.Unmet(*o)
	case err != nil:
		r.FilterError = err.Error()
	}
	if digest, ok := p.Digest(*o); ok && at.Digest != 0 {
		r.Unchanged = ledger.KeptDigest(digest) == at.Digest && at.Acked.UID == sight.UID
	}
}

// lookAt asks the member what it has, and returns the object as rules see it; nil: there
// is none.
func (s *Stream) lookAt(ctx context.Context, about selection.Resource, n ledger.Name, sight *Sight) (_ *selection.Object, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, errNoReply)
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	session, err := s.conn.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	t := s.targetOf(resource{gvr: about.GroupVersionResource, kind: about.Kind, namespaced: about.Namespaced}, session)
	all := *t
	all.labels, all.fields = "", ""
	o, version, err := s.lookFor(ctx, session, &all, n)
	if err != nil || o == nil {
		return nil, err
	}
	sight.Exists, sight.UID, sight.ResourceVersion = true, version.UID, version.ResourceVersion
	if t.labels == "" && t.fields == "" {
		return o, nil
	}
	selected, _, err := s.lookFor(ctx, session, t, n)
	if err == nil && selected == nil {
		sight.Selector = strings.Trim("labelSelector="+t.labels+" fieldSelector="+t.fields, " ")
		sight.Selector = strings.TrimSuffix(strings.TrimPrefix(sight.Selector, "labelSelector= "), " fieldSelector=")
	}
	return o, err
}

// lookFor asks for the object among those that a target selects.
func (s *Stream) lookFor(ctx context.Context, session *member.Session, t *target, n ledger.Name) (*selection.Object, ledger.Version, error) {
	body, err := s.oneRequest(session, t, n.Namespace, n.Name).Stream(ctx)
	if err != nil {
		return nil, ledger.Version{}, err
	}
	defer func() { _ = body.Close() }()
	spill := &wire.Spill{Room: looking{}}
	defer spill.End()
	items := wire.NewListReader(countingReader{body, &s.progress.bytes}, spill)
	for range pageSize {
		item, tooLong, err := items.Next()
		if errors.Is(err, io.EOF) {
			return nil, ledger.Version{}, nil
		}
		if err != nil {
			return nil, ledger.Version{}, err
		}
		var scan wire.Scanner
		var f wire.Frame
		if !scan.ScanObject(item, &f) || tooLong || f.Meta == nil {
			return nil, ledger.Version{}, wire.ErrMalformed
		}
		name, version := identityOf(&f)
		if name.Namespace = wire.Unquote(f.Namespace); name != n {
			continue // of a server that does not know the field selector
		}
		if _, err := t.refuse(item, &f, n.Namespace, t.metadata); err != nil {
			return nil, ledger.Version{}, fmt.Errorf("%w: %w", wire.ErrMalformed, err)
		}
		o := t.view(item, &f, tooLong, true)
		o.JSON = append([]byte(nil), o.JSON...) // the reader's buffer ends with the call
		return &o, version, nil
	}
	return nil, ledger.Version{}, fmt.Errorf("%w: it is not among the first %d objects of a list of one", wire.ErrMalformed, pageSize)
}

// looking is the room for an object that is looked at.
type looking struct{}

// Reserve implements wire.Room.
func (looking) Reserve(n int) error {
	if n > mostLooked {
		return errTooLargeToLook
	}
	return nil
}

// Came implements wire.Room.
func (looking) Came(int) {}

// Release implements wire.Room.
func (looking) Release() {}

// Resolve returns which resource, with its group, a name means in the member: plural,
// singular, kind or short name, also with a group. It asks the member's discovery. The error
// wraps ErrNotServed if the member has said, or can only say, that there is no such resource.
func (s *Stream) Resolve(ctx context.Context, name string) (string, error) {
	spec, err := ParseSpec(name)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotServed, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, errNoReply)
	defer cancel()
	session, err := s.conn.Acquire(ctx)
	if err != nil {
		return "", err
	}
	found, err := newServed(session.Discovery).resolve(ctx, spec)
	if err != nil {
		said := errors.New(s.main.Load().brief(err))
		if errors.Is(err, errNoResource) || errors.Is(err, errAmbiguous) {
			return "", fmt.Errorf("%w: %w", ErrNotServed, said)
		}
		return "", said
	}
	return found.name().String(), nil
}

// Namespaced reports whether the resource has namespaces; not known before the stream has
// first reached its cluster.
func (s *Stream) Namespaced() (is, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	about := s.branches[0].rules.about
	return about.Namespaced, about.GroupVersionResource.Resource != ""
}
