package stream

import (
	"context"
	"fmt"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// noSuchObject is a name that nobody gives to an object.
const noSuchObject = "fairlead-asks-for-a-version"

// knows fails with tooNew if the server has not come to a version yet, or not
// again, after a restore from a backup. A watch does not tell: it is accepted
// and stays silent until the server has come so far, and then what is new in
// between is lost.
//
// So this asks for an object that does not exist, in a state no older than that
// version: the server says 404 if it knows the version. It costs it nothing; a
// list would.
func (a *attempt) knows(ctx context.Context, version string) error {
	a.guard.enter(opening)
	body, err := a.objectRequest(noSuchObject).Param("resourceVersion", version).Stream(ctx)
	if err == nil {
		return body.Close()
	}
	switch why, _ := classify(ctx, err); why {
	case missing:
		return nil
	case forbidden, rejected, expired:
		return nil // get is not list or watch; those will say what is wrong, if anything is
	}
	a.report(ctx, err)
	return err
}

// objectRequest returns a GET of one object.
func (a *attempt) objectRequest(name string) *rest.Request {
	t := a.target
	path := t.path(a.spec.Namespace)
	if t.namespaced && a.spec.Namespace == "" {
		path = t.path("default") // whether it exists or not
	}
	return a.session.Calls.Get().AbsPath(append(path, name)...).MaxRetries(0).SetHeader("Accept", acceptMetadata)
}

// listOne asks for a list of one object and returns the version that it tells.
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
		if _, _, err = items.Next(); err != nil {
			return items.Meta.ResourceVersion, nil
		}
	}
}

// wentBack tells what a version means that the server does not know yet: a list
// of one object tells the version that its etcd has. It is no older than what a
// replica of the server, even one that lags behind, has told before, unless
// history went back.
func (a *attempt) wentBack(ctx context.Context, version string) (bool, error) {
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
