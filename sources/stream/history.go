package stream

import (
	"context"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// noSuchObject is a name that nobody gives to an object.
const noSuchObject = "fairlead-asks-for-a-version"

// checkResumable fails with tooNew if the server has not reached a version yet, or not again
// after a restore from a backup. A watch does not show that: it is accepted, stays
// silent until the server has reached the version, and skips the changes before.
//
// So this asks for an object that does not exist, in a state no older than that
// version: the server answers 404 if it has reached the version. That costs the server
// nothing; a list of many would. Who may not get objects may list them: then it is a list
// of that object alone.
func (a *attempt) checkResumable(ctx context.Context, version string) error {
	a.watchdog.enter(opening)
	err := open(ctx, a.objectRequest(noSuchObject).Param("resourceVersion", version))
	why, _ := classify(ctx, err)
	if why == forbidden {
		err = open(ctx, a.listOfObject(noSuchObject).Param("resourceVersion", version).Param("resourceVersionMatch", "NotOlderThan"))
		why, _ = classify(ctx, err)
	}
	switch why {
	case missing:
		return nil
	case forbidden, rejected, expired:
		return nil // this is not a watch, which will say what is wrong, if anything is
	}
	if err != nil {
		a.report(ctx, err)
	}
	return err
}

// open asks, and reads no answer.
func open(ctx context.Context, r *rest.Request) error {
	body, err := r.Stream(ctx)
	if err == nil {
		_ = body.Close()
	}
	return err
}

// objectRequest returns a GET of one object.
func (a *attempt) objectRequest(name string) *rest.Request {
	return a.objects().Name(name).MaxRetries(0).SetHeader("Accept", acceptMetadata)
}

// listOfObject returns a GET of the list of one object.
func (a *attempt) listOfObject(name string) *rest.Request {
	return a.objects().MaxRetries(0).SetHeader("Accept", acceptMetadataList).
		Param("fieldSelector", fields.OneTermEqualSelector("metadata.name", name).String())
}

// objects returns a GET of the collection in a namespace that the stream follows, whether
// there is such a namespace or not.
func (a *attempt) objects() *rest.Request {
	t := a.target
	if t.namespaced && a.spec.Namespace == "" {
		return t.collection(a.session.Calls.Get(), "default")
	}
	return t.collection(a.session.Calls.Get(), a.spec.Namespace)
}

// listOne asks for a list of one object and returns the version of the list.
func (a *attempt) listOne(ctx context.Context) (version string, err error) {
	body, err := a.call(ctx, a.listRequest(a.session, a.target, true, 1, ""))
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	alone := &wire.Spill{Room: &lone{ctx: ctx, account: a.branches()[0].account}}
	defer alone.End()
	items := wire.NewListReader(body, alone)
	for {
		if _, _, err = items.Next(); err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) {
			a.report(ctx, err)
		}
		return items.Meta.ResourceVersion, nil
	}
}

// historyRewound reports whether a version that the server does not know yet is of a history
// that a restore has undone. A list of one object returns the version that the server's
// etcd has. Without a restore it is no older than any version that a replica of the
// server, even one that lags behind, has returned before.
func (a *attempt) historyRewound(ctx context.Context, version string) (bool, error) {
	listed, err := a.listOne(ctx)
	if err != nil {
		return false, err
	}
	has := number(listed)
	if has == 0 || number(version) == 0 {
		return false, fmt.Errorf("%w: version %q of a list", errNoVersion, listed)
	}
	return has < number(version), nil
}
