package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// A resource that is not served any more has no objects: its CRD was removed, and they
// with it, while nobody watched. Their deletions are delivered like any others. But
// discovery may leave a resource out by mistake, for a moment or behind a load balancer.
// So several complete discoveries, over a while, must lack it, and each time the cluster
// must identify itself and answer that there is nothing at the resource's path.
const (
	// goneAfter is how long a resource must have been missing.
	goneAfter = time.Minute
	// goneTimes is how often it must have been found missing.
	goneTimes = 3
)

// resourceGone is why tombstones are handed over without a snapshot.
const resourceGone = "resource_gone"

// absence is the evidence that a resource is gone.
type absence struct {
	cluster  string // UID
	resource schema.GroupResource
	since    time.Time
	times    int
	told     bool // tombstones of all its objects have been handed over
}

// add counts a complete discovery without the resource.
func (x *absence) add(now time.Time) {
	if x.times++; x.times == 1 {
		x.since = now
	}
}

func (x *absence) proves(now time.Time, after time.Duration) bool {
	return x.times >= goneTimes && now.Sub(x.since) >= after
}

// isGone handles a resource that the ledger knows and the cluster does not serve; t is
// what was followed. Once there is no doubt, it offers the deletions of all its objects.
// The stream goes on waiting, and follows the resource again, from a snapshot, if it
// comes back.
func (a *attempt) isGone(ctx context.Context, t *target, gone *goneError) error {
	a.report(ctx, gone)
	a.auditor.unfollow()
	all := a.branches()
	holds := func(b *branch) bool { return b.cursor.Unacked() > 0 || b.cursor.Stats().Known > 0 }
	if gone.inPredecessor && !slices.ContainsFunc(all, holds) {
		// It was claimed only to retire the clusters before.
		defer a.forget(all)
	}
	if t.gvr.Version == "" || t.kind == "" {
		if slices.ContainsFunc(all, func(b *branch) bool { return len(b.predecessors) > 0 || holds(b) }) {
			return fmt.Errorf("%w; that its objects are gone cannot be told, because the ledger does not have their version and kind: "+
				"it is of a version that did not record them", gone)
		}
		return gone
	}
	if err := a.retire(ctx); err != nil {
		return err
	}
	all = a.branches()
	if uid := all[0].id.ClusterUID; a.absence.cluster != uid || a.absence.resource != t.resource.name() {
		a.absence = absence{cluster: uid, resource: t.resource.name()}
	}
	if !gone.told || a.absence.told || !slices.ContainsFunc(all, holds) {
		return gone
	}
	if err := a.confirm(ctx, t); errors.Is(err, errUnconfirmed) {
		return fmt.Errorf("%w; its objects are held: %w", gone, err)
	} else if err != nil {
		a.report(ctx, err)
		return err
	}
	now := time.Now()
	if a.absence.add(now); !a.absence.proves(now, a.cfg.goneAfter) {
		return gone
	}
	a.setState(member.Syncing, resourceGone)
	a.watchdog.enter(parked) // it is the sinks that are waited for
	for _, b := range all {
		a.log.Info("A resource is not served any more; delivering the deletions of all its objects",
			"resource", t.name, "route", b.route.Name, "objects", b.cursor.Stats().Known, "since", a.absence.since)
		if err := a.offerTombstones(b, b.cursor, b.cursor.Retire(), b.origin); err != nil {
			return err
		}
	}
	a.absence.told = true
	return gone
}

// forget drops what was claimed.
func (a *attempt) forget(all []*branch) {
	s := a.Stream
	s.mu.Lock()
	s.resource = ""
	for _, b := range all {
		b.cursor = nil
	}
	s.mu.Unlock()
	for _, b := range all {
		a.ledger.Drop(b.id)
	}
}

// errUnconfirmed says that a server has not confirmed what its discovery tells.
var errUnconfirmed = errors.New("the server does not confirm it")

// confirm fails unless the server also says that it is the cluster of the
// session, and that there is nothing where the resource was. The second question
// takes a connection of its own, which may lead to another one of several
// servers.
func (a *attempt) confirm(ctx context.Context, t *target) error {
	if err := a.identify(ctx); err != nil {
		return err
	}
	a.watchdog.enter(opening)
	body, err := a.listRequest(a.session, t, true, 1, "").Stream(ctx)
	if err == nil {
		_ = body.Close()
		return fmt.Errorf("%w: there are still %s in version %s", errUnconfirmed, t.name, t.gvr.Version)
	}
	switch code, answered := statusCode(err); {
	case !answered:
		return err
	case code != http.StatusNotFound:
		return fmt.Errorf("%w: list %s: %w", errUnconfirmed, t.name, err)
	}
	return nil
}

// identify fails unless the server says that it is the cluster of the session.
// One that tells nobody who it is, is known by its address alone.
func (a *attempt) identify(ctx context.Context) error {
	a.watchdog.enter(opening)
	uid, err := readIdentity(ctx, a.session)
	if isHidden(err) && ledger.ByDigest(a.session.UID) {
		return nil
	}
	if _, answered := statusCode(err); answered {
		return fmt.Errorf("%w: %w", errUnconfirmed, err)
	}
	if err != nil {
		return err
	}
	if uid != a.session.UID {
		return fmt.Errorf("%w: namespace %s has UID %.64q, not %q", errUnconfirmed, metav1.NamespaceSystem, uid, a.session.UID)
	}
	return nil
}

// readIdentity returns the UID of kube-system as the server says it now; empty: what it says is
// no namespace.
func readIdentity(ctx context.Context, session *member.Session) (uid string, err error) {
	body, err := document(ctx, session.Calls.Get().AbsPath("/api/v1/namespaces", metav1.NamespaceSystem).SetHeader("Accept", acceptMetadata))
	if err != nil {
		return "", fmt.Errorf("read namespace %s: %w", metav1.NamespaceSystem, err)
	}
	var namespace struct {
		Metadata struct {
			UID string `json:"uid"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(body, &namespace); err != nil {
		return "", nil //nolint:nilerr // It is no namespace.
	}
	return namespace.Metadata.UID, nil
}

// mostDocument bounds an answer about one small thing, in bytes.
const mostDocument = 1 << 20

// document returns the answer to a request, and no more than mostDocument of it: what is cut is no
// document of JSON.
func document(ctx context.Context, request *rest.Request) ([]byte, error) {
	body, err := request.MaxRetries(0).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(io.LimitReader(body, mostDocument))
}

// isHidden reports whether Kubernetes itself keeps a namespace secret.
func isHidden(err error) bool {
	code, ok := statusCode(err)
	return ok && (code == http.StatusForbidden || code == http.StatusNotFound) && apistatus.ByKubernetes(err)
}

// hasMoved asks whether the group of what is followed prefers another version
// than when that was discovered. A server that does not say has not moved.
func (a *attempt) hasMoved(ctx context.Context) bool {
	a.reader.recheck = false
	t := a.target
	if a.spec.Version != "" || t.preferred == "" {
		return false
	}
	a.watchdog.enter(opening)
	var group struct {
		Name             string `json:"name"`
		PreferredVersion struct {
			Version string `json:"version"`
		} `json:"preferredVersion"`
	}
	body, err := document(ctx, a.session.Calls.Get().AbsPath("/apis", t.gvr.Group).SetHeader("Accept", "application/json"))
	return err == nil && json.Unmarshal(body, &group) == nil && group.Name == t.gvr.Group && group.PreferredVersion.Version != t.preferred
}
