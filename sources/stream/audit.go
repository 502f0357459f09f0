package stream

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// audit is one comparison of a cursor with the server. The watch goes on
// meanwhile, so list and cursor show different moments, and most of what
// differs between them is just on its way. Therefore:
//
//	list, in pages, metadata only ──▶ suspects ──▶ watch passes the list ──▶ look again
//	watch: what it tells meanwhile of each object ─────────────────────────────┘
//
// A suspect of which the watch has told nothing since before the list must be
// known as it was listed, once the watch has passed the list's version and
// nothing of it is on its way. One of which it has told must be known as it
// told last. What is not, really differs.
//
// What a branch does not select must not be known, and what counts in an object must
// be as in the state that was acked; so where rules need more than metadata, or say what
// counts, whole objects are listed. Where rules ask how a state came, nobody can tell what
// must be known: those branches are left alone.
//
// It holds eight bytes for every object listed, and about sixty for each that
// changes while the list is read. Of neither may there be more than are known
// and maxSeen: a list of more is not read to its end, because it may have none.
type audit struct {
	*reader
	session  *member.Session
	target   *target
	of       []*branch            // whose cursors are compared
	programs []*selection.Program // of these, when the audit began
	known    int                  // objects that the one with most of them has
	cancel   context.CancelCauseFunc
	began    uint64 // position of the watch then
	seed     maphash.Seed

	listed   []uint64 // hashes of the names
	suspects []suspect
	limit    int         // of suspects
	more     bool        // there were more
	beyond   ledger.Name // where a list was left that goes beyond what is known

	await  atomic.Uint64 // position to be told of; 0: none
	passed chan struct{} // capacity 1: it has been reached

	// mu is held while the watch reports a state to the cursors, so that the state
	// seen last can be compared with what the cursors know. It is taken before the
	// cursors' own.
	mu       sync.Mutex
	lastSeen map[uint64]told // by hash
	only     map[uint64]bool // once there is a list: whose to keep; nil: all
	most     int             // bound of lastSeen, and of listed
}

// suspect is an object that may differ.
type suspect struct {
	branch *branch
	name   ledger.Name
	listed ledger.Version // as what it must be known; empty: it must not, as the list lacks it or it is not selected
	digest uint64         // of what was listed; 0: every version counts
}

const (
	// maxSuspects bounds the memory of an audit; any one that really differs
	// leads to a snapshot, which repairs them all. If none does, the others may.
	maxSuspects = 10_000
	// maxSeen bounds what may change during a list, and what a list may have,
	// beside what is known.
	maxSeen = 1 << 16
)

func newAudit(r *reader, session *member.Session, t *target, cancel context.CancelCauseFunc) *audit {
	au := &audit{
		reader: r, session: session, target: t, of: r.branches(), cancel: cancel,
		began: r.auditor.position.Load(), seed: maphash.MakeSeed(),
		passed: make(chan struct{}, 1), limit: maxSuspects,
		lastSeen: map[uint64]told{}, most: maxSeen,
	}
	au.programs = r.programsOf(au.of)
	for _, b := range au.of {
		au.known = max(au.known, b.cursor.Stats().Known)
	}
	au.most = maxSeen + au.known
	return au
}

// run returns how many objects differ. It has asked for the snapshot that
// repairs them then.
func (au *audit) run(ctx context.Context) (differences int, err error) {
	at, err := au.list(ctx)
	if errors.Is(err, errBeyond) {
		differences = max(1, len(au.listed)-au.known) // at least
		au.repair(differences, au.beyond)
		return differences, nil
	}
	if err != nil {
		return 0, fmt.Errorf("audit: %w", err)
	}
	au.findMissing(at)
	au.narrow()
	var example ledger.Name
	if len(au.suspects) > 0 {
		if err := au.waitFor(ctx, at); err != nil {
			return 0, err
		}
		if differences, example, err = au.settle(ctx); err != nil {
			return 0, err
		}
	}
	switch {
	case differences > 0:
		au.repair(differences, example)
	case at < au.began:
		// Within one history, a list is never older than the watch was before it.
		au.requests.add(rewound)
	case au.more:
		return 0, errTooMany
	}
	return differences, nil
}

// repair asks for the snapshot that repairs what differs.
func (au *audit) repair(differences int, example ledger.Name) {
	au.progress.differences.Add(uint64(differences))
	au.progress.differedAt.set(time.Now())
	au.log.Info("An audit has found what the ledger did not know; a snapshot repairs it",
		"resource", au.target.name, "differences", differences, "namespace", example.Namespace, "name", example.Name)
	au.requests.add(audited)
}

// list reads all pages and returns the version they show. As it waits as long as
// it reads, it may take twice as long as a snapshot.
func (au *audit) list(ctx context.Context) (at uint64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*au.cfg.SyncTimeout, errEndless)
	defer cancel()
	for token := ""; ; {
		began := time.Now()
		meta, err := au.page(ctx, token)
		if err != nil && ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if err != nil {
			return 0, err
		}
		if at == 0 {
			if at = number(meta.ResourceVersion); at == 0 {
				return 0, errUnordered
			}
		}
		if token, err = meta.Next(token); err != nil || token == "" {
			return at, err
		}
		// Others come first: it does not use more than half of anything.
		if err := retry.Sleep(ctx, min(time.Since(began), 200*time.Millisecond)); err != nil {
			return 0, err
		}
	}
}

func (au *audit) page(ctx context.Context, token string) (wire.ListMeta, error) {
	return au.readPage(ctx, comparedPage{au.session, au.target, !au.needsWhole(), token, au.of[0].account}, func(item []byte, f *wire.Frame, tooLong bool) error {
		return au.compare(ledger.Name{Namespace: wire.Unquote(f.Namespace), Name: wire.Unquote(f.Name)},
			ledger.Version{UID: wire.Unquote(f.UID), ResourceVersion: wire.Unquote(f.Version)},
			func() selection.Object { return au.target.view(item, f, tooLong, true) })
	})
}

// compare deals with an object of the list. view returns it as rules see it.
func (au *audit) compare(name ledger.Name, listed ledger.Version, view func() selection.Object) error {
	n := number(listed.ResourceVersion)
	if n == 0 {
		return errUnordered
	}
	hash := au.hash(name)
	newer := au.lastVersion(hash) > n
	var object *selection.Object
	counts := false // some branch selects it, or knows it
	for i, b := range au.of {
		acked, _, known := b.cursor.Lookup(name)
		must, digest := listed, uint64(0)
		if p := au.programs[i]; p != nil {
			if object == nil {
				object = new(view())
			}
			switch expect(p, *object) {
			case undecided:
				counts = true
				continue
			case unselected:
				must = ledger.Version{}
			case selected:
				digest, _ = p.Digest(*object)
			}
		}
		counts = counts || known || must != ledger.Version{}
		s := suspect{b, name, must, digest}
		if (acked != must && !s.counts(acked, b.cursor.Digest(name)) || known && must == ledger.Version{}) && !newer {
			au.suspect(s)
		}
	}
	if !counts {
		return nil
	}
	if len(au.listed) >= au.most {
		au.beyond = name
		return errBeyond
	}
	au.listed = append(au.listed, hash)
	return nil
}

// lastVersion returns the last version of an object in the watch since the audit began;
// 0: none. An object that is newer there than in the list is no suspect.
func (au *audit) lastVersion(hash uint64) uint64 {
	au.mu.Lock()
	defer au.mu.Unlock()
	return au.lastSeen[hash].version
}

func (au *audit) suspect(s suspect) {
	if len(au.suspects) == au.limit {
		au.more = true
		return
	}
	au.suspects = append(au.suspects, s)
}

// findMissing adds what is known and was not in the list of that version.
func (au *audit) findMissing(at uint64) {
	slices.Sort(au.listed)
	for _, b := range au.of {
		for name := range b.cursor.Names() {
			hash := au.hash(name)
			if _, listed := slices.BinarySearch(au.listed, hash); !listed && au.lastVersion(hash) <= at {
				au.suspect(suspect{branch: b, name: name})
			}
		}
	}
	au.listed = nil
}

// narrow forgets the versions of all objects but the suspects.
func (au *audit) narrow() {
	only := make(map[uint64]bool, len(au.suspects))
	for _, s := range au.suspects {
		only[au.hash(s.name)] = true
	}
	au.mu.Lock()
	defer au.mu.Unlock()
	kept := map[uint64]told{}
	for hash, told := range au.lastSeen {
		if only[hash] {
			kept[hash] = told
		}
	}
	au.lastSeen, au.only = kept, only
}

// waitFor returns when the watch has come to a version.
func (au *audit) waitFor(ctx context.Context, at uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, auditPatience, errUndecided)
	defer cancel()
	au.await.Store(at)
	for au.auditor.position.Load() < at {
		select {
		case <-au.passed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// settle looks at the suspects until nothing of them is on its way. It returns
// how many really differ, and one of them.
func (au *audit) settle(ctx context.Context) (differences int, example ledger.Name, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, auditPatience, errUndecided)
	defer cancel()
	for {
		open := au.suspects[:0]
		for _, s := range au.suspects {
			switch differs, pending := au.look(s); {
			case pending:
				open = append(open, s)
			case differs:
				differences++
				example = s.name
			}
		}
		if au.suspects = open; len(open) == 0 || differences > 0 {
			return differences, example, nil
		}
		if err := retry.Sleep(ctx, time.Second); err != nil {
			return 0, example, err
		}
	}
}

// seen records how far the watch has come.
func (au *audit) seen(position uint64) {
	if await := au.await.Load(); await == 0 || position < await {
		return
	}
	select {
	case au.passed <- struct{}{}:
	default:
	}
}

func (au *audit) hash(n ledger.Name) uint64 {
	var h maphash.Hash
	h.SetSeed(au.seed)
	_, _ = h.WriteString(n.Namespace) // never fails
	_ = h.WriteByte(0)
	_, _ = h.WriteString(n.Name)
	return h.Sum64()
}
