package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// Comparison is what somebody needs who compares what a route's sink has with a member: what
// the member has, what the ledger knows, and the means to deliver single objects again. Its
// methods may be called by any goroutine, also while the stream runs.
//
// It is of one cluster and one resource: once another cluster has the member's name, or the
// resource is not served any more, it knows nothing, and its methods that return an error fail.
type Comparison struct {
	stream *Stream
	branch *branch
	cursor *ledger.Cursor
}

// ListedObject is one object of a member, as a route's rules see it.
type ListedObject struct {
	Namespace, Name, UID, ResourceVersion string
	// Unselected: the route's rules leave it out. Undecided: that depends on how its state
	// came, which a list does not tell.
	Unselected, Undecided bool
	// Digest is of what counts in it; 0: each version counts.
	Digest uint64
}

// Compare returns a Comparison for a route. It fails while the stream is not connected.
func (s *Stream) Compare(route string) (*Comparison, error) {
	status := s.Status()
	if !status.Connected() {
		why := string(status.State)
		if status.Reason != "" {
			why += ": " + status.Reason
		}
		return nil, fmt.Errorf("the stream is not connected (%s)", why)
	}
	b, cursor, err := s.cursorOf(route)
	if err != nil {
		return nil, err
	}
	return &Comparison{s, b, cursor}, nil
}

// errReplaced says that the ledger has begun anew for the stream.
var errReplaced = errors.New("another cluster has its name now, or the resource is not served any more; compare again")

// errOtherAnswers says that what was listed is not the cluster's, which its connection has not
// found out yet.
var errOtherAnswers = errors.New("another cluster answers at its address now, so that nothing can be told; compare again when that is settled")

// identify fails if the server says that it is another cluster than that of the session. One
// that does not show who it is may be any.
func (c *Comparison) identify(ctx context.Context, session *member.Session) error {
	if ledger.ByDigest(session.UID) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, openTimeout, errNoReply)
	defer cancel()
	switch uid, err := readIdentity(ctx, session); {
	case isHidden(err):
		return nil
	case err != nil:
		return err
	case uid != session.UID:
		return errOtherAnswers
	}
	return nil
}

// check fails once what the comparison knows of the ledger is not the route's any more.
func (c *Comparison) check() error {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	if c.branch.cursor != c.cursor {
		return errReplaced
	}
	return nil
}

// Resource is plural and group, as events have it.
func (c *Comparison) Resource() string { return c.stream.Status().Resource }

// Namespace is the only one that the stream follows; empty: all.
func (c *Comparison) Namespace() string { return c.stream.spec.Namespace }

// List reads all objects that the stream follows from its member, in pages, metadata only
// unless the rules need more, and calls yield with each. The listed object is valid until yield
// returns. It returns the version of the list. It waits as long as it reads, up to 200 ms after
// each page, and takes the member's requests and slots for lists as snapshots do. Each page
// may take 30 s, and all of them twice as long as a snapshot. Before the first page and after the
// last one it asks which cluster answers: what was listed of another one, which may have taken
// the place of the member's a moment ago, is an error.
func (c *Comparison) List(ctx context.Context, yield func(*ListedObject) error) (at string, err error) {
	s := c.stream
	ctx, cancel := context.WithTimeoutCause(ctx, 2*s.cfg.SyncTimeout, errEndless)
	defer cancel()
	fail := func(err error) (string, error) {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("list %s: %s", s.name, s.main.Load().brief(err))
	}
	session, err := s.conn.Acquire(ctx)
	if err != nil {
		return fail(err)
	}
	if err := errors.Join(c.check(), c.identify(ctx, session)); err != nil {
		return fail(err)
	}
	s.mu.Lock()
	what, program := s.what, c.branch.rules.program
	s.mu.Unlock()
	if what.gvr.Resource == "" {
		return fail(errNotKnown)
	}
	l := &comparedList{Stream: s, branch: c.branch, session: session, target: s.targetOf(what, session), program: program, yield: yield}
	for token := ""; ; {
		began := time.Now()
		meta, err := l.page(ctx, token)
		if err != nil {
			if l.stopped != nil {
				return "", l.stopped
			}
			return fail(err)
		}
		if at == "" {
			at = meta.ResourceVersion
		}
		if token, err = meta.Next(token); err != nil {
			return fail(err)
		}
		if token == "" {
			if err := errors.Join(c.identify(ctx, session), c.check()); err != nil {
				return fail(err)
			}
			return at, nil
		}
		if err := retry.Sleep(ctx, min(time.Since(began), 200*time.Millisecond)); err != nil {
			return fail(err)
		}
	}
}

// comparedList is one list of a Comparison.
type comparedList struct {
	*Stream

	branch  *branch
	session *member.Session
	target  *target
	program *selection.Program
	yield   func(*ListedObject) error
	stopped error // by yield
	object  ListedObject
}

func (l *comparedList) needsWhole() bool {
	return !l.target.metadata && (l.program.Whole() || changedText(l.program) != "")
}

func (l *comparedList) page(ctx context.Context, token string) (wire.ListMeta, error) {
	account := l.branch.route.Memory.Account(l.cluster)
	defer account.Close()
	return l.readPage(ctx, comparedPage{l.session, l.target, !l.needsWhole(), token, account}, func(item []byte, f *wire.Frame, tooLong bool) error {
		l.object = ListedObject{
			Namespace: wire.Unquote(f.Namespace), Name: wire.Unquote(f.Name),
			UID: wire.Unquote(f.UID), ResourceVersion: wire.Unquote(f.Version),
		}
		if l.program != nil {
			l.judge(l.target.view(item, f, tooLong, true))
		}
		l.stopped = l.yield(&l.object)
		return l.stopped
	})
}

// judge notes what the rules say of the object, however its state came.
func (l *comparedList) judge(o selection.Object) {
	switch expect(l.program, o) {
	case undecided:
		l.object.Undecided = true
	case unselected:
		l.object.Unselected = true
	case selected:
		l.object.Digest, _ = l.program.Digest(o)
	}
}

// Standing is what the ledger knows of an object. Listed is what the member has of it, or nil;
// at is the version of the list that tells so. Once List would fail as the cluster was replaced,
// something is on its way for each object: nothing can be told of it.
func (c *Comparison) Standing(namespace, name string, listed *ListedObject, at string) ComparedStanding {
	if c.check() != nil {
		return ComparedStanding{Pending: true}
	}
	know := c.cursor.Standing(ledger.Name{Namespace: namespace, Name: name})
	s := ComparedStanding{
		AckedUID: know.Acked.UID, AckedVersion: know.Acked.ResourceVersion, Known: know.Known,
		Pending: know.Pending || know.Due, Settled: know.Position != "",
	}
	if listed != nil {
		at = listed.ResourceVersion
		s.Unchanged = listed.Digest != 0 && know.Digest != 0 && ledger.KeptDigest(listed.Digest) == know.Digest && know.Acked.UID == listed.UID
	}
	s.Reached = at != "" && c.cursor.Reached(at)
	s.LeftOut = know.Partial && !know.Known
	return s
}

// ComparedStanding is what the ledger knows of one object at one moment.
type ComparedStanding struct {
	AckedUID, AckedVersion string // what the sink has accepted last; empty: nothing, or a deletion
	Known                  bool   // the sink may hold it
	Pending                bool   // something of it is on its way, or is to be delivered again
	Settled                bool   // the stream has read a whole snapshot
	Reached                bool   // the stream has read all that there was when it was listed
	Unchanged              bool   // nothing that counts differs from what was accepted
	LeftOut                bool   // the ledger has had no room for it
}

// Known calls yield with each object that the sink may hold, as far as the ledger knows, until
// that returns false. Of what changes meanwhile some may be left out or come twice.
func (c *Comparison) Known(yield func(namespace, name string) bool) {
	for n := range c.cursor.Names() {
		if !yield(n.Namespace, n.Name) {
			return
		}
	}
}
