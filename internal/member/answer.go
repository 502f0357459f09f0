package member

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ErrNotKubernetes is said of an answer that no API server gives: something in
// front of it answers.
var ErrNotKubernetes = errors.New("the server does not answer as a Kubernetes API server; check the address and what stands in front of it")

// ByKubernetes reports whether err, of a request made with client-go, is what an
// API server answered: a Status object. Only then does a status code mean what it
// means in the Kubernetes API: 404 that something does not exist, 403 that RBAC
// forbids it. A gateway gives the same codes with a page of its own, and they say
// nothing of the cluster.
//
// API servers answer without a Status too, in plain text: 429 and 5xx when they
// are overloaded or start up, which means the same from anyone; and 404 for a
// group that they do not serve, which discovery tells better.
func ByKubernetes(err error) bool {
	var status apierrors.APIStatus // no error itself, so errors.AsType will not do
	return errors.As(err, &status) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// AsAsked returns a RoundTripper that fails with ErrNotKubernetes when a request
// is answered with success, and with another media type than it accepts. Next to
// nobody who asks an API server for JSON is answered with a page, but behind a
// gateway that wants a login; and a watch that is answered so looks alive until
// its first byte is read.
func AsAsked(next http.RoundTripper) http.RoundTripper { return &asAsked{next} }

type asAsked struct{ next http.RoundTripper }

func (a *asAsked) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := a.next.RoundTrip(req)
	if err != nil || resp.StatusCode/100 != 2 {
		return resp, err
	}
	got := resp.Header.Get("Content-Type")
	if accepts(req.Header.Values("Accept"), got) {
		return resp, nil
	}
	_ = resp.Body.Close()
	return nil, fmt.Errorf("%w: %d with Content-Type %.100q", ErrNotKubernetes, resp.StatusCode, got)
}

// WrappedRoundTripper lets client-go look through.
func (a *asAsked) WrappedRoundTripper() http.RoundTripper { return a.next }

// accepts reports whether a media type is among those asked for. One that is not
// told is taken for it, as client-go does.
func accepts(asked []string, got string) bool {
	if len(asked) == 0 || got == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(got)
	for part := range strings.SplitSeq(strings.Join(asked, ","), ",") {
		part, _, _ = strings.Cut(part, ";")
		if part = strings.TrimSpace(part); part == "*/*" || err == nil && strings.EqualFold(part, media) {
			return true
		}
	}
	return false
}
