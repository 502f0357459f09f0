package connection

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/ledger"
)

const (
	identityPath   = "/api/v1/namespaces/kube-system"
	acceptIdentity = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
)

// plausibleUID bounds what becomes part of file names and event ids.
var plausibleUID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// plausible tells whether a server's UID can be one. None looks like what stands
// in its place where it cannot be read.
func plausible(uid string) bool { return plausibleUID.MatchString(uid) && !ledger.ByDigest(uid) }

var errNotKubernetes = errors.New("the server answers, but not as a Kubernetes API server; check the address and what stands in front of it")

// plausibleVersion is what a version looks like that is shown.
var plausibleVersion = regexp.MustCompile(`^v?[0-9]+\.[0-9A-Za-z.+_-]{1,62}$`)

// outcome is what one probe found.
type outcome struct {
	result  string // resultOK, or why not
	reason  string // says more than result, or is empty
	err     error
	seen    sighting
	verdict verdict // what that says, if nothing failed
	version string  // empty if it was not asked for or not told
	expiry  expiry  // of the credentials
	delay   time.Duration
}

// probe asks the server who it is. settled says that this is known of a server at
// that address, with that CA. ctx has a deadline.
func probe(ctx context.Context, c *clients, settled, wantVersion bool) outcome {
	uid, err := readUID(ctx, c)
	if err != nil && !answersWithout(err) {
		return failed(err)
	}
	if err != nil && !settled {
		// A server that starts up forbids everything until its roles are
		// there. One that hides its readiness is taken at its word.
		if _, rerr := read(ctx, c, "/readyz", "*/*"); rerr != nil && !answersWithout(rerr) {
			return failed(rerr)
		}
	}
	out := outcome{result: resultOK, seen: sighting{uid: uid, digest: c.digest}}
	if err == nil && !wantVersion {
		return out
	}
	if err != nil {
		if out.seen.home = readUIDOf(ctx, c, homePath, metav1.NamespaceDefault); out.seen.home == "" {
			out.seen.service = readUIDOf(ctx, c, servicePath, "kubernetes")
		}
	}
	v, verr := readVersion(ctx, c)
	switch {
	case err == nil: // the version is nice to have
	case verr == nil || forbiddenByKubernetes(verr):
		// Either way it is a Kubernetes API server that let us in.
	case apierrors.IsNotFound(verr):
		return failed(errNotKubernetes)
	default:
		return failed(verr)
	}
	out.version = v
	return out
}

func failed(err error) outcome {
	result, _ := classify(err)
	if result == resultOther {
		result = resultInvalid
	}
	out := outcome{result: result, err: err, delay: apistatus.Of(err).RetryAfter}
	if p, ok := errors.AsType[*pluginError](err); ok {
		out.reason = reasonPluginFails
		if p.silent > 0 {
			out.reason = reasonPluginHangs
		}
	}
	return out
}

// answersWithout tells whether the namespace may be missing or hidden on a
// server that is otherwise all right.
func answersWithout(err error) bool {
	return apierrors.IsNotFound(err) || forbiddenByKubernetes(err)
}

// forbiddenByKubernetes tells a refusal by RBAC from one by a gateway.
func forbiddenByKubernetes(err error) bool {
	return apierrors.IsForbidden(err) && apistatus.ByKubernetes(err)
}

func read(ctx context.Context, c *clients, path, accept string) ([]byte, error) {
	// No retries in client-go: it would sleep through Retry-After in here,
	// while the connection should show that it backs off.
	result := c.probes.Get().AbsPath(path).SetHeader("Accept", accept).MaxRetries(0).Do(logr.NewContext(ctx, logr.Discard()))
	if err := result.Error(); err != nil { // unlike Raw's, made from the Status object
		return nil, plain(err)
	}
	return result.Raw()
}

func readUID(ctx context.Context, c *clients) (string, error) {
	body, err := read(ctx, c, identityPath, acceptIdentity)
	if err != nil {
		return "", err
	}
	var ns metav1.PartialObjectMetadata
	if err := json.Unmarshal(body, &ns); err != nil || ns.Name != metav1.NamespaceSystem || !plausible(string(ns.UID)) {
		return "", errNotKubernetes
	}
	return string(ns.UID), nil
}

func readVersion(ctx context.Context, c *clients) (string, error) {
	body, err := read(ctx, c, "/version", runtime.ContentTypeJSON)
	if err != nil {
		return "", err
	}
	var v version.Info
	if err := json.Unmarshal(body, &v); err != nil || !plausibleVersion.MatchString(v.GitVersion) {
		return "", errNotKubernetes
	}
	return v.GitVersion, nil
}
