package apistatus

import (
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// LongestRetryAfter is the longest time that a server may ask to be left alone. A
// longer one is a mistake or a lie, and counts as this.
const LongestRetryAfter = 5 * time.Minute

// Answer is what a server has said.
type Answer struct {
	Meaning Meaning
	// Code is the status code, 0 if Meaning is None. A Status object without one has
	// that of its reason; one without a reason either may have any number below 300.
	Code int
	// RetryAfter is how long the server asks to be left alone: from 0, which says
	// that it does not ask, to LongestRetryAfter.
	RetryAfter time.Duration
}

// Of returns what the error of a request made with client-go says. It is None if err
// is nil or no server's answer: a connection that broke, say.
func Of(err error) Answer {
	var spoken apierrors.APIStatus // no error itself, so errors.AsType will not do
	if !errors.As(err, &spoken) {
		return Answer{}
	}
	status := spoken.Status()
	code := codeOf(&status)
	answer := Answer{Meaning: meaningOf(&status, code), Code: code}
	if status.Details != nil {
		answer.RetryAfter = bounded(int64(status.Details.RetryAfterSeconds))
	}
	return answer
}

// bounded returns the seconds that a server asks to be left alone for.
func bounded(seconds int64) time.Duration {
	const longest = int64(LongestRetryAfter / time.Second)
	return time.Duration(min(max(seconds, 0), longest)) * time.Second
}

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
	var spoken apierrors.APIStatus
	if !errors.As(err, &spoken) {
		return false
	}
	status := spoken.Status()
	return byKubernetes(&status)
}
