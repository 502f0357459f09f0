package member

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
