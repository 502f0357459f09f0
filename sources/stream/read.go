package stream

import (
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
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

type uid = types.UID

// read deals with the frames of a watch until it ends; with nil if the server
// closed it. It starts within a snapshot if the watch is a streaming list.
func (a *attempt) read(body io.Reader, snapshot bool) error {
	frames := wire.NewFrameReader(countingReader{body, &a.progress.bytes}, a.spill)
	defer frames.Release()
	var f wire.Frame
	for {
		line, tooLong, err := frames.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		now := time.Now()
		a.touch(now)
		if !a.scanner.ScanFrame(line, &f) && !tooLong {
			if line[len(line)-1] != '\n' {
				return io.ErrUnexpectedEOF // cut in the middle of a frame
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
	to := a.observe(name, version, gone, snapshot)
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
		if a.join() {
			return fatalError{errJoined}
		}
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
	memory      budget.Loan      // once it is taken
	together    *budget.Together // with the others
}

// observe tells the cursors of a state.
func (a *attempt) observe(name ledger.Name, version ledger.Version, gone, snapshot bool) (o observed) {
	var to []*branch
	place, odd := a.placeOf(version.ResourceVersion, gone)
	if snapshot {
		to = a.branches()
	} else {
		to = a.advance(version.ResourceVersion, false)
		defer a.auditor.observe(name, version, gone)()
	}
	o.changes, o.verdict = a.routed[:0], ledger.Stale
	var first ledger.Observation
	var like *ledger.Observation
	for _, b := range to {
		if !snapshot && b.has(place, odd) {
			continue
		}
		said := b.cursor.Observe(name, version, gone, snapshot, like)
		if like == nil && len(to) > 1 {
			first, like = said, &first
		}
		switch said.Verdict {
		case ledger.Deliver:
			o.changes = append(o.changes, routed{branch: b, observation: said})
		case ledger.Refused:
			o.refused = true
		default:
			o.verdict = said.Verdict
		}
	}
	a.routed = o.changes
	return o
}

// distribute hands a state over to those that deliver it. They share the object.
func (a *attempt) distribute(b []byte, f *wire.Frame, now time.Time, tooLong bool, name ledger.Name, version ledger.Version, snapshot bool, to []routed) error {
	part := a.choose(b, f, tooLong)
	to, err := a.afford(part.Size, to)
	if err != nil {
		return err
	}
	defer func() { releaseAll(to) }() // of those that it has not come to
	if len(to) == 0 {
		return nil
	}
	object, err := a.target.object(a.buffers, b, f, part)
	if err != nil {
		return err
	}
	op := pipeline.Updated
	switch f.Type {
	case wire.Added:
		op = pipeline.Added
	case wire.Deleted:
		op = pipeline.Deleted
	}
	a.spill.Drop() // all of the frame that is needed has been copied
	if cap(object) < part.Size {
		shrink(to, cap(object))
	}
	for len(to) > 0 {
		r := to[0]
		to = to[1:]
		err := a.handOver(r.branch, &pipeline.Change{
			Key:    pipeline.Key{Cluster: a.cluster, Resource: a.target.name, Namespace: name.Namespace, Name: name.Name},
			Origin: r.branch.origin, Op: op,
			UID: uid(version.UID), ResourceVersion: version.ResourceVersion,
			Snapshot: snapshot, Observed: now, Sequence: r.observation.Sequence, Generation: r.observation.Generation,
			Object: object, Together: r.together, Memory: r.memory,
		})
		if err != nil {
			return err
		}
	}
	return nil
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

// choose tells what of the object in f is handed on.
func (a *attempt) choose(b []byte, f *wire.Frame, tooLong bool) wire.Copying {
	part, why, err := a.target.choose(b, f, tooLong)
	if err != nil {
		a.reject(why, err)
	}
	return part
}

// choose tells what of the object in f is handed on, and why it is not all that was
// asked for.
func (t *target) choose(b []byte, f *wire.Frame, tooLong bool) (part wire.Copying, why rejection, err error) {
	if t.secret || t.metadata {
		return wire.MetadataOf(f, t.secret), 0, nil
	}
	if why, err := reduce(f, b, tooLong); err != nil {
		return wire.MetadataOf(f, false), why, err
	}
	return wire.ObjectOf(f, t.gvr.GroupVersion().WithKind(t.kind)), 0, nil
}

// object returns a copy of what was chosen.
func (t *target) object(to *wire.Buffers, b []byte, f *wire.Frame, part wire.Copying) ([]byte, error) {
	switch {
	case t.secret:
		return wire.WithoutLastApplied(wire.CopyMetadata(nil, b, f))
	case part.Metadata:
		return wire.CopyMetadata(to, b, f), nil
	default:
		return wire.CopyObject(to, b, f, t.gvr.GroupVersion().WithKind(t.kind)), nil
	}
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
		if a.join() {
			return snapshot, fatalError{errJoined}
		}
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
