package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// pageSize is how many objects a page of a list holds, as client-go's pager
// asks for.
const pageSize = 500

// limitedFor is how long a list must have waited for tokens for that to be a likely reason why it
// broke off. Of what is in common use, Google's load balancers end a request soonest, after 30 s;
// kube-apiserver's --request-timeout and nginx's timeouts are 60 s unless they are set.
const limitedFor = 30 * time.Second

// unservedLists is how many streaming lists in a row must have failed where pages
// did not, for the session to be asked for none any more.
const unservedLists = 2

// snapshot reads all that there is, sweeps what is gone, and watches on.
func (a *attempt) snapshot(ctx context.Context) error {
	if a.refused {
		// Until the server takes what it is asked, that takes no slot from others,
		// and no snapshot begins.
		if _, err := a.listOne(ctx); err != nil {
			return err
		}
	}
	a.liveSince = time.Time{}
	a.listing, a.handedOver = true, time.Time{}
	a.watchesNothing(true)
	a.auditor.unfollow()
	a.takeRequests()
	a.setState(member.Syncing, a.snapshotReason.String())
	if err := a.watchdog.acquireSlot(ctx, a.slots); err != nil {
		return err
	}
	a.progress.snapshots[a.snapshotReason].Add(1)
	// Whatever it is taken for, nothing is to be resumed before it is over: not
	// after a restart either.
	a.invalidateResumePoints()
	a.lookLater(time.Now())
	a.startOver()

	var unserved error
	if !a.noStream {
		unserved = a.streamingList(ctx)
		if !a.liveSince.IsZero() || !a.goOnInPages(unserved) {
			return unserved
		}
		// What the streaming list has told is of another time than the pages.
		a.startOver()
	}
	version, err := a.list(ctx)
	if err != nil {
		return err
	}
	if why, _ := classify(ctx, unserved); unserved != nil && (why == rejected || a.unserved >= unservedLists) {
		a.noStream = true
		a.logOfMany().Info("no streaming lists here, reading pages", "reason", a.brief(unserved))
	}
	if err := a.sweep(version); err != nil {
		return err
	}
	return a.watch(ctx, version)
}

// startOver says that what is read from here on is all that exists, whatever was before: a
// server that was restored gives versions again that a branch has had.
func (a *attempt) startOver() {
	for _, b := range a.branches() {
		b.cursor.BeginSnapshot()
		b.skip = 0
	}
	a.setShort(false)
	a.watchdog.beginSync()
}

// invalidateResumePoints makes sure that no watch resumes from before the snapshot.
func (a *attempt) invalidateResumePoints() {
	for _, b := range a.branches() {
		b.cursor.InvalidateResumePoint()
	}
}

// goOnInPages tells, of how a streaming list ended, whether the same attempt goes
// on in pages. Where the member itself is in doubt, it is asked first; but not
// twice in a row, because it may give that answer to streaming lists alone.
func (a *attempt) goOnInPages(err error) bool {
	if !notServed(err) {
		return false
	}
	a.unserved++
	if answered(err) != nil && a.unserved < unservedLists {
		return false
	}
	a.recordError(err)
	return true
}

// streamingList takes the snapshot as the start of a watch, which goes on as
// the watch of what follows.
func (a *attempt) streamingList(ctx context.Context) error {
	// The watch must outlive the snapshot.
	seconds := int64(a.cfg.SyncTimeout/time.Second) + 300 + rand.Int64N(300)
	began, waited := time.Now(), a.waited
	a.ends = time.Time{}
	body, err := a.call(ctx, a.watchRequest(a.session, seconds).
		Param("sendInitialEvents", "true").
		Param("resourceVersionMatch", "NotOlderThan"))
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	err = a.read(ctx, body, true)
	if !a.liveSince.IsZero() {
		a.unserved = 0
	}
	if why := context.Cause(ctx); a.liveSince.IsZero() && (errors.Is(why, errOverdue) || errors.Is(why, errSilent)) {
		// The end never came. Perhaps the server overlooked what it was asked
		// for and this was a plain watch.
		a.noStream = true
	}
	if a.liveSince.IsZero() {
		return a.brokeOff(ctx, err, began, waited)
	}
	return err
}

// brokeOff says of a list that has broken off with err, or was ended by the server, that it is
// limited, if it has waited for tokens for most of the time since it began. waited is what a.waited
// was then.
func (a *attempt) brokeOff(ctx context.Context, err error, began time.Time, waited time.Duration) error {
	waited = a.waited - waited
	switch why, _ := classify(ctx, err); {
	case why != network && why != closed, waited < limitedFor, waited <= time.Since(began)/2:
		return err
	case err == nil:
		return errLimited
	}
	return fmt.Errorf("%w: %w", errLimited, err)
}

// list takes the snapshot page by page and returns its version.
func (a *attempt) list(ctx context.Context) (version string, err error) {
	began := time.Now()
	for token := ""; ; {
		meta, err := a.page(ctx, pageSize, token)
		if why, _ := classify(ctx, err); why == expired && token != "" && time.Since(began) >= liveFor {
			// It took too long. What the first pages held is of another time
			// than what is read now, so all starts over. What sinks have accepted
			// since is a duplicate now, which costs them nothing: each time it goes
			// faster, and further. A server whose tokens expire at once is left alone
			// for a while instead.
			a.progress.reconnects[expired].Add(1)
			a.startOver()
			token, version, began = "", "", time.Now()
			continue
		}
		if err != nil {
			return "", err
		}
		if meta.ResourceVersion == "" {
			return "", errNoVersion
		}
		if version == "" {
			version = meta.ResourceVersion
		}
		if token, err = meta.Next(token); err != nil || token == "" {
			return version, err
		}
	}
}

// page reads one page of a list and hands its items on as they arrive.
func (a *attempt) page(ctx context.Context, limit int, token string) (wire.ListMeta, error) {
	body, err := a.call(ctx, a.listRequest(a.session, a.target, a.target.metadata, limit, token))
	if err != nil {
		return wire.ListMeta{}, err
	}
	defer func() { _ = body.Close() }()
	defer a.spill.End()
	items := wire.NewListReader(countingReader{body, &a.progress.bytes}, a.spill)
	began, waited := time.Now(), a.waited
	var f wire.Frame
	for {
		if err := a.awaitToken(ctx, a.target.name, false); err != nil {
			return wire.ListMeta{}, err
		}
		item, tooLong, err := items.Next()
		if errors.Is(err, io.EOF) {
			a.touch(time.Now()) // also if there was nothing to tell
			return items.Meta, nil
		}
		if errors.Is(err, wire.ErrNotJSON) {
			a.reject(notJSON, err)
		}
		if err != nil {
			return wire.ListMeta{}, a.broken(ctx, a.brokeOff(ctx, err, began, waited))
		}
		a.touch(time.Now())
		if !a.scanner.ScanObject(item, &f) && !tooLong {
			a.reject(notJSON, wire.ErrNotJSON)
			return wire.ListMeta{}, fmt.Errorf("%w: an item of the list is not JSON", wire.ErrMalformed)
		}
		if err := a.change(item, &f, time.Now(), true, tooLong); err != nil {
			return wire.ListMeta{}, err
		}
	}
}

// sweep ends a snapshot: what it did not hold is gone.
func (a *attempt) sweep(version string) error {
	a.watchdog.endSync()
	for _, b := range a.branches() {
		if err := a.offerTombstones(b, b.cursor, b.cursor.EndSnapshot(version), b.origin); err != nil {
			return err
		}
	}
	for _, b := range a.branches() {
		b.cursor.Seen(version)
	}
	a.snapshotReason = noResume
	return a.setLive(version)
}

// offerTombstones hands tombstones of a cursor over, each for a token of its resource's limit that is
// taken once. It stops where the branch has left.
func (a *attempt) offerTombstones(b *branch, of *ledger.Cursor, tombstones iter.Seq[ledger.Tombstone], origin *pipeline.Origin) error {
	resource := origin.Resource.GroupResource().String()
	for tombstone := range tombstones {
		if !tombstone.Paid {
			// This one is told of now. It waits also if the attempt is cut meanwhile, as before a full lane.
			if err := a.awaitToken(a.running, resource, false); err != nil {
				return err
			}
			if a.spendToken(resource) {
				of.Paid(tombstone.Name)
			}
		}
		a.progress.tombstones.Add(1)
		a.progress.reduced.note(tombstone.Name, false)
		b.rules.failing.note(tombstone.Name, false)
		err := a.handOver(b, deletionOf(tombstone, origin))
		if err != nil || !a.reads(b) {
			return err
		}
		if a.turnIsOver() {
			return fatalError{errTurnOver}
		}
	}
	return nil
}

// deletionOf returns the change that a tombstone is handed over as.
func deletionOf(t ledger.Tombstone, origin *pipeline.Origin) *pipeline.Change {
	return &pipeline.Change{
		Key: pipeline.Key{
			Cluster: origin.Cluster, Resource: origin.Resource.GroupResource().String(),
			Namespace: t.Name.Namespace, Name: t.Name.Name,
		},
		Origin: origin, Op: pipeline.Deleted,
		UID: uid(t.Version.UID), ResourceVersion: t.Version.ResourceVersion,
		Snapshot: true, Tombstone: true,
		Observed: time.Now(), Sequence: t.Sequence, Generation: t.Generation,
	}
}
