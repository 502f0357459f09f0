package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// readAgain reads the object of a change and offers the change with it, or as one that has
// moved on if the cluster has another state. It blocks while there is no memory or the member
// is not to be dialed. If there is no room in the lane for the object, it is read later.
func (s *Stream) readAgain(ctx context.Context, b *branch, want *pipeline.Change) error {
	session, err := s.conn.Acquire(ctx)
	if err != nil {
		return err
	}
	o := want.Origin
	t := s.targetOf(resource{gvr: o.Resource, kind: o.Kind, namespaced: o.Namespaced}, session)
	for size := max(want.Evicted, wire.ReadBuffer); ; {
		shaper := s.shaperOf(b)
		memory, err := b.account.Take(ctx, toRead(size, shaper.ShapedSize(size), nil))
		if err != nil {
			return err
		}
		room := &prepaid{account: b.account, memory: memory, size: size, shaper: shaper}
		c, err := s.readOne(ctx, session, t, want, room)
		if errors.Is(err, errOtherState) {
			room.memory.Release()
			moved := *want
			moved.Moved = true
			return b.route.Queue.TryOffer(&moved, snapshotPriority)
		}
		if err != nil {
			room.memory.Release()
			if errors.Is(err, wire.ErrShort) && room.lacked > size && room.lacked <= wire.MaxFrame {
				size = room.lacked
				continue
			}
			return err
		}
		c.Memory = room.memory
		c.Memory.Shrink(budget.Ask{Own: c.Size()})
		// It comes in the place of the one that waits, and keeps its priority.
		if err := b.route.Queue.TryOffer(c, snapshotPriority); err != nil {
			c.Release()
			return err
		}
		return nil
	}
}

// errOtherState says that an object is gone, or has another state by now.
var errOtherState = errors.New("the cluster has another state of it, which its watch tells")

// readOne returns a change with its object.
func (s *Stream) readOne(ctx context.Context, session *member.Session, t *target, want *pipeline.Change, room *prepaid) (*pipeline.Change, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	room.began = time.Now()
	room.deadline = time.AfterFunc(frameGrace, func() { cancel(errStalled) })
	defer room.deadline.Stop()
	body, err := s.oneRequest(session, t, want.Key.Namespace, want.Key.Name).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	spill := &wire.Spill{Room: room}
	defer spill.End()
	items := wire.NewListReader(countingReader{body, &s.progress.bytes}, spill)
	for range pageSize {
		item, tooLong, err := items.Next()
		if errors.Is(err, io.EOF) {
			return nil, errOtherState
		}
		if err != nil {
			return nil, err
		}
		var scan wire.Scanner
		var f wire.Frame
		if !scan.ScanObject(item, &f) && !tooLong || f.Meta == nil {
			return nil, wire.ErrMalformed
		}
		name, version := identityOf(&f)
		name.Namespace = wire.Unquote(f.Namespace)
		n, v := identity(want)
		if n != name {
			continue // of a server that does not know the field selector
		}
		if v != version {
			return nil, errOtherState
		}
		return s.withObject(t, want, room, item, &f, tooLong)
	}
	return nil, fmt.Errorf("%w: it is not among the first %d objects of a list of one", wire.ErrMalformed, pageSize)
}

// withObject returns a change with the object that an item of a list holds.
func (s *Stream) withObject(t *target, want *pipeline.Change, room *prepaid, item []byte, f *wire.Frame, tooLong bool) (*pipeline.Change, error) {
	if _, err := t.refuse(item, f, want.Key.Namespace, t.metadata); err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrMalformed, err)
	}
	part, _, _ := t.choose(item, f, tooLong) // why it may be less was counted when it was read first
	if err := room.Reserve((len(item) + part.Size + 1) / 2); err != nil {
		return nil, err
	}
	c := *want
	c.Evicted = 0
	var err error
	c.Object, err = t.object(s.buffers, item, f, part)
	if err == nil && room.shaper != nil {
		whole := c.Object
		c.Object = shape(s.buffers, room.shaper, whole)
		s.buffers.Put(whole)
	}
	return &c, err
}

// prepaid is the room of a reader that has taken memory before it asked for anything. What
// it has is its owner's, who gives it back. A member that stalls is cut off, as with a
// large frame.
type prepaid struct {
	account  *budget.Account
	memory   budget.Loan
	shaper   *selection.Program // of the copy; nil: it is as it was read
	size     int                // of the frame, and of its copy, that memory is for
	lacked   int                // if that was too little: what it is to be
	began    time.Time
	deadline *time.Timer
}

// Reserve implements wire.Room.
func (p *prepaid) Reserve(n int) error {
	if n <= p.size {
		return nil
	}
	memory, ok := p.account.Try(toRead(n, p.shaper.ShapedSize(n), nil))
	if !ok {
		p.lacked = n
		return wire.ErrShort
	}
	p.memory.Release()
	p.memory, p.size = memory, n
	return nil
}

// Came implements wire.Room.
func (p *prepaid) Came(n int) {
	may := frameGrace + time.Duration(n)*time.Second/frameRate
	p.deadline.Reset(max(time.Until(p.began.Add(may)), 0))
}

// Release implements wire.Room.
func (p *prepaid) Release() {}
