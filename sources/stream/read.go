package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

type uid = types.UID

// read deals with the frames of a watch until it ends; with nil if the server
// closed it. It starts within a snapshot if the watch is a streaming list. ctx is that of the
// watch's request.
func (a *attempt) read(ctx context.Context, body io.Reader, snapshot bool) error {
	frames := wire.NewFrameReader(countingReader{body, &a.progress.bytes}, a.spill)
	defer frames.Release()
	var f wire.Frame
	for {
		if err := a.awaitToken(ctx, a.target.name, !snapshot); err != nil {
			return err
		}
		line, tooLong, err := frames.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return a.broken(ctx, err)
		}
		now := time.Now()
		a.touch(now)
		if !a.scanner.ScanFrame(line, &f) && !tooLong {
			if line[len(line)-1] != '\n' {
				return a.broken(ctx, io.ErrUnexpectedEOF) // cut in the middle of a frame
			}
			a.reject(notJSON, wire.ErrNotJSON)
			return fmt.Errorf("%w: it is not JSON", wire.ErrMalformed)
		}
		switch f.Type {
		case wire.Added, wire.Modified, wire.Deleted:
			err = a.change(line, &f, now, snapshot, tooLong)
		case wire.Bookmark:
			snapshot, err = a.bookmark(&f, snapshot)
		case wire.ErrorFrame:
			return statusError(f.Object)
		default:
			if tooLong {
				err = a.tooLarge(snapshot)
			} else {
				a.reject(unknownType, errors.New("a frame of unknown type"))
			}
		}
		if err != nil {
			return err
		}
		if !snapshot {
			a.lookForRoom(now)
		}
	}
}

// change deals with a state of an object that was read from b.
func (a *attempt) change(b []byte, f *wire.Frame, now time.Time, snapshot, tooLong bool) error {
	if tooLong && (f.Meta == nil || !f.Identified()) {
		return a.tooLarge(snapshot)
	}
	if why, err := a.target.refuse(b, f, a.spec.Namespace, a.target.metadata); err != nil {
		a.reject(why, err)
		if snapshot {
			// What cannot be told apart cannot be swept either.
			return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
		}
		return nil
	}
	name, version := identityOf(f)
	name.Namespace = a.intern(f.Namespace)
	gone := f.Type == wire.Deleted

	a.progress.observed.Add(1)
	to := a.observe(name, ledger.State{Version: version, Deleted: gone, Snapshot: snapshot}, func() selection.Object {
		return a.target.view(b, f, tooLong, snapshot)
	})
	if to.refused {
		if err := a.leaveOut(name, f.Type, snapshot); err != nil {
			return err
		}
	}
	if len(to.changes) == 0 {
		a.progress.suppressed(to.verdict)
	} else if err := a.distribute(b, f, now, tooLong, name, version, snapshot, to.changes); err != nil {
		return err
	}
	if !snapshot {
		a.seen(version.ResourceVersion)
	}
	return a.handBack(snapshot)
}

// handBack returns the error that ends a reader which is not needed any more, or whose turn
// is over. It is called when all that was read has been dealt with.
func (a *attempt) handBack(snapshot bool) error {
	switch {
	case !snapshot && a.join():
		return fatalError{errJoined}
	case a.turnIsOver():
		return fatalError{errTurnOver}
	}
	return nil
}

// observed is what the cursors say of a state.
type observed struct {
	changes []routed       // to be handed over
	verdict ledger.Verdict // of one of the others
	refused bool           // one has no room for it
}

// routed is a state that a branch delivers.
type routed struct {
	branch      *branch
	observation ledger.Observation
	outside     bool             // the state is not selected any more: a deletion, without an object
	size        int              // of the object that it delivers, in bytes, at the most
	memory      budget.Loan      // once it is taken
	together    *budget.Together // with the others that deliver the same object
}

// observe tells the cursors of a state. view returns the object as rules see it.
func (a *attempt) observe(name ledger.Name, s ledger.State, view func() selection.Object) (o observed) {
	var to []*branch
	var seen *selection.Object // nil until rules look at it
	place, odd := a.placeOf(s.Version.ResourceVersion, s.Deleted)
	var note *auditNote
	if s.Snapshot {
		to = a.branches()
	} else {
		to = a.advance(s.Version.ResourceVersion, false)
		note = a.auditor.observe(name, s.Version, s.Deleted)
		defer note.done()
	}
	o.changes, o.verdict = a.routed[:0], ledger.Stale
	var first ledger.Observation
	var like *ledger.Observation
	for _, b := range to {
		if !s.Snapshot && b.has(place, odd) {
			continue
		}
		of := s
		if b.rules.program != nil {
			if seen == nil {
				seen = new(view())
			}
			if b.judge(name, seen, &of); of.Outside {
				note.leaves(b)
			}
		}
		said := b.cursor.ObserveState(name, of, like)
		if like == nil && len(to) > 1 {
			first, like = said, &first
		}
		switch said.Verdict {
		case ledger.Deliver:
			o.changes = append(o.changes, routed{branch: b, observation: said, outside: of.Outside})
		case ledger.Refused:
			o.refused = true
			b.rules.failing.note(name, false) // it is delivered to nobody, and nobody would tell that it is gone
		case ledger.Filtered:
			b.rules.filtered.Add(1)
			o.verdict = said.Verdict
		default:
			o.verdict = said.Verdict
		}
	}
	a.routed = o.changes
	return o
}

// seen notes that everything up to the frame with this version has been handed
// over or suppressed.
func (a *attempt) seen(version string) {
	for _, b := range a.branches() {
		b.cursor.Seen(version)
	}
	a.newest = max(a.newest, number(version))
	a.auditor.seen(a.newest)
}

// placeOf returns where in the order of versions a frame of the watch lies, 0 if that is
// not known. A deletion without a version of its own, which is odd, lies right behind the
// newest frame.
func (a *attempt) placeOf(version string, gone bool) (place uint64, odd bool) {
	n := number(version)
	if gone && n != 0 && n <= a.newest {
		return a.newest + 1, true
	}
	return n, false
}

// tooLarge deals with an object whose identity lies behind the bound. Outside
// of a snapshot there is nothing to do but to say so. Within one, the object
// might be swept although it exists, so the snapshot fails.
func (a *attempt) tooLarge(snapshot bool) error {
	a.reject(oversized, errTooLarge)
	if snapshot {
		return errTooLarge
	}
	return nil
}

// bookmark deals with a frame that tells a version and nothing else. It
// returns whether the snapshot goes on.
func (a *attempt) bookmark(f *wire.Frame, snapshot bool) (bool, error) {
	version := ""
	if f.Mark() && f.Twice == nil {
		version = wire.Unquote(f.Version)
	}
	a.bookmarks = a.bookmarks || !f.InitialEnd // that one is sent where no others are
	switch {
	case version == "":
		a.reject(noBookmarkVersion, errors.New("a bookmark without a resourceVersion"))
		if snapshot && f.InitialEnd {
			return snapshot, fmt.Errorf("%w: the snapshot ended without a resourceVersion", wire.ErrMalformed)
		}
	case snapshot && f.InitialEnd:
		return false, a.sweep(version)
	case snapshot:
	case number(version) != 0 && number(version) < a.newest:
		a.snapshotReason = rewound
		a.invalidateResumePoints()
		return snapshot, fmt.Errorf("%w: bookmark %s after %d", errBackwards, version, a.newest)
	default:
		a.advance(version, true)
		a.seen(version)
		for _, b := range a.branches() {
			b.cursor.CaughtUp()
		}
		return snapshot, a.handBack(snapshot)
	}
	return snapshot, nil
}

// maxStatus bounds the object of an ERROR frame: decoded, a long list of empty
// causes takes twenty times its bytes.
const maxStatus = 1 << 20

// statusError returns the error that an ERROR frame stands for.
func statusError(object []byte) error {
	if len(object) > maxStatus {
		return fmt.Errorf("%w: an ERROR frame of %d bytes", wire.ErrMalformed, len(object))
	}
	var status metav1.Status
	if err := json.Unmarshal(object, &status); err != nil || status.Code == 0 && status.Reason == "" {
		return fmt.Errorf("%w: an ERROR frame without a status", wire.ErrMalformed)
	}
	if status.Message == "" {
		status.Message = fmt.Sprintf("the server ended the watch: %d %s", status.Code, status.Reason)
	}
	return &apierrors.StatusError{ErrStatus: status}
}

// number returns a resourceVersion that is one, else 0.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// maxInterned bounds the namespaces that a stream remembers the names of.
const maxInterned = 4096

// intern returns the namespace with the given raw content, the same string
// each time.
func (r *reader) intern(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	if namespace, ok := r.namespaces[string(raw)]; ok {
		return namespace
	}
	if r.namespaces == nil || len(r.namespaces) >= maxInterned {
		r.namespaces = map[string]string{}
	}
	namespace := wire.Unquote(raw)
	r.namespaces[string(raw)] = namespace
	return namespace
}

// countingReader counts the bytes that pass.
type countingReader struct {
	io.Reader
	n *atomic.Uint64
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(uint64(n))
	return n, err
}
