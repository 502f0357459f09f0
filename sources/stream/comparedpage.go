package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline/budget"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// comparedPage is one page of a list that is compared with what is known, and not delivered.
type comparedPage struct {
	session  *member.Session
	target   *target
	metadata bool   // no more of each object
	token    string // to go on with; empty: the first one
	account  *budget.Account
}

// readPage calls each with the objects of a page, one after the other, as raw JSON with what
// is scanned of it; both are overwritten by the next. tooLong says that an object is longer
// than objects may be, and not all of it is there. An error of each ends it. It waits for a
// slot of the snapshots.
func (s *Stream) readPage(ctx context.Context, p comparedPage, each func(item []byte, f *wire.Frame, tooLong bool) error) (wire.ListMeta, error) {
	if s.slots != nil {
		if err := s.slots.Acquire(ctx, 1); err != nil {
			return wire.ListMeta{}, err
		}
		release := sync.OnceFunc(func() { s.slots.Release(1) })
		defer release()
		defer time.AfterFunc(slotIdle, release).Stop()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, openTimeout, errNoReply)
	defer cancel()
	body, err := s.listRequest(p.session, p.target, p.metadata, pageSize, p.token).Stream(ctx)
	if err != nil {
		return wire.ListMeta{}, err
	}
	defer func() { _ = body.Close() }()
	spill := &wire.Spill{Room: &lone{ctx: ctx, account: p.account}}
	defer spill.End()
	items := wire.NewListReader(countingReader{body, &s.progress.bytes}, spill)
	var scan wire.Scanner
	var f wire.Frame
	for {
		item, tooLong, err := items.Next()
		if errors.Is(err, io.EOF) {
			return items.Meta, nil
		}
		if err != nil {
			return wire.ListMeta{}, err
		}
		if !scan.ScanObject(item, &f) && !tooLong || f.Meta == nil {
			return wire.ListMeta{}, wire.ErrMalformed
		}
		if _, err := p.target.refuse(item, &f, s.spec.Namespace, true); err != nil {
			return wire.ListMeta{}, fmt.Errorf("%w: %w", wire.ErrMalformed, err)
		}
		if err := each(item, &f, tooLong); err != nil {
			return wire.ListMeta{}, err
		}
	}
}
