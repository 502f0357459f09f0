package stream

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// A cluster may have so many objects in the ledger, and no more (ledger.Quota).
// What a stream observes beyond that is left out. It goes on with all others:
// their changes and deletions are delivered as ever, and a snapshot that shows
// them all still tells what is gone. It says that it waits, as too_many_objects.
//
// What was left out is found by a snapshot once there is room: at once when the
// bound is raised, or else when the server has no more objects than fit, as far as
// it has told. Such snapshots come at growing distances, however the numbers change.

// roomRetryMax is the longest distance of snapshots that look for what was left
// out. The shortest is ReconnectMax.
const roomRetryMax = time.Hour

// refusedPerSecond bounds how fast is read what is left out: a member may invent
// objects without end. A snapshot reads a million within four minutes.
const refusedPerSecond = 5000

var errNoRoom = errors.New("the cluster has as much in the ledger as it may have, so further objects are left out; " +
	"watch less of it, or raise --max-objects or --max-ledger-bytes, or for this cluster the annotations fairlead.dev/max-objects or fairlead.dev/max-ledger-bytes")

// shortage is what a stream knows of the room that its cluster lacks.
type shortage struct {
	open    bool         // the cursor is partial
	missing ledger.Usage // what the server has and the ledger refused, as far as told
	delay   time.Duration
	due     time.Time // when a snapshot may look again
	ended   time.Time // when it was last not open any more
	pace    *rate.Limiter
}

func newShortage() shortage {
	return shortage{pace: rate.NewLimiter(refusedPerSecond, refusedPerSecond)}
}

// MakeRoom says that the cluster may have more in the ledger than before. It may
// be called from any goroutine and does not block.
func (s *Stream) MakeRoom() {
	for _, r := range s.allReaders() {
		if !r.short.Load() {
			continue
		}
		r.requests.add(roomMade)
		select {
		case r.roomMade <- struct{}{}:
		default:
		}
	}
}

// leaveOut deals with a state that the ledger has no room for. It takes its time when
// there are many.
func (a *attempt) leaveOut(name ledger.Name, typ wire.Type, snapshot bool) error {
	sh := &a.shortage
	if typ == wire.Deleted {
		sh.missing = ledger.Usage{
			Objects: max(sh.missing.Objects-1, 0),
			Bytes:   max(sh.missing.Bytes-ledger.SizeOf(name), 0),
		}
		a.missing.Store(int64(sh.missing.Objects))
		return a.throttleRefused()
	}
	a.progress.rejected[overBound].Add(1)
	if snapshot || typ == wire.Added { // else it has been told of before
		sh.missing.Objects++
		sh.missing.Bytes += ledger.SizeOf(name)
		a.missing.Store(int64(sh.missing.Objects))
	}
	if sh.open {
		return a.throttleRefused()
	}
	if !snapshot {
		a.lookLater(time.Now())
	}
	a.setShort(true)
	a.recordError(errNoRoom)
	a.log.Info("The cluster has as much in the ledger as it may have; what is new is left out until there is room", "resource", a.target.name)
	if !snapshot {
		a.auditor.unfollow() // it would find what is left out
	}
	a.setState(member.Waiting, tooMany.String())
	return nil
}

// setShort notes whether something was left out since the last snapshot began.
func (r *reader) setShort(short bool) {
	sh := &r.shortage
	if sh.open && !short {
		sh.ended = time.Now()
	}
	if !short {
		sh.missing = ledger.Usage{}
		r.missing.Store(0)
		select {
		case <-r.roomMade: // the snapshot that begins is for that
		default:
		}
	}
	sh.open = short
	r.short.Store(short)
}

// knowsShortage reports whether it is this reader that left out what was left out of
// the cursors. Else another one did, before the member's streams were made anew or
// the route had a reader of its own, and only a snapshot tells what it was.
func (r *reader) knowsShortage() bool {
	return r.shortage.open == slices.ContainsFunc(r.branches(), func(b *branch) bool { return b.cursor.Partial() })
}

// lookLater sets when the next snapshot may look for what was left out. A cluster
// that is at its bound all the time has one an hour at most.
func (r *reader) lookLater(now time.Time) {
	sh := &r.shortage
	if sh.delay == 0 || !sh.open && now.Sub(sh.ended) >= roomRetryMax {
		sh.delay = r.cfg.ReconnectMax
	} else {
		sh.delay = min(2*sh.delay, max(roomRetryMax, r.cfg.ReconnectMax))
	}
	sh.due = now.Add(sh.delay/2 + rand.N(sh.delay/2+1))
}

// lookForRoom asks for a snapshot if what was left out may have room now.
func (a *attempt) lookForRoom(now time.Time) {
	sh := &a.shortage
	if !sh.open || now.Before(sh.due) {
		return
	}
	for _, b := range a.branches() {
		if room := b.cursor.Room(); room.Objects == 0 || room.Objects < sh.missing.Objects || room.Bytes < sh.missing.Bytes {
			return
		}
	}
	a.requests.add(roomMade)
}

// setFollowing enters the state of a watch that goes on.
func (a *attempt) setFollowing() {
	switch {
	case a.stale:
		a.setState(member.Stale, silent.String()) // until it hears something
	case a.shortage.open:
		a.setState(member.Waiting, tooMany.String())
	default:
		a.setState(member.Live, "")
	}
}
