package connection

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/member"
)

var (
	// ErrGone is returned by Acquire once Run has ended.
	ErrGone = errors.New("the member has left the fleet")
	// ErrRunTwice is returned by a second call of Run.
	ErrRunTwice = errors.New("connection: Run was called before")
)

// What became of a call or a probe, as the metrics name it.
const (
	resultOK           = "ok"
	resultUnreachable  = "unreachable"  // refused, reset, cut, TLS, name resolution
	resultTimeout      = "timeout"      // no answer in time
	resultUnavailable  = "unavailable"  // an answer of 500 or above
	resultThrottled    = "throttled"    // 429
	resultUnauthorized = "unauthorized" // 401
	resultInvalid      = "invalid"      // an answer that is not a Kubernetes API server's
	resultPlugin       = "plugin"       // no credentials: the plugin failed, or did not answer in time
	resultUnusable     = "unusable"     // the configuration: no request could be made
	resultReplaced     = "replaced"     // another cluster answers, and does not have the name yet
	resultUnidentified = "unidentified" // it cannot be told whether it is the cluster that is known
	resultOther        = "other"        // any other error: the server itself is all right
	resultCanceled     = "canceled"     // by us
)

var probeResults = []string{
	resultOK, resultUnreachable, resultTimeout, resultUnavailable,
	resultThrottled, resultUnauthorized, resultInvalid, resultPlugin, resultUnusable,
	resultReplaced, resultUnidentified,
}

// apiError is an error that an API server sent.
type apiError interface {
	error
	apierrors.APIStatus
}

// classify tells what the error of a call says about the server. doubtful is
// whether it is a reason to ask the server itself before anyone else dials.
func classify(err error) (result string, doubtful bool) {
	if err == nil {
		return resultOK, false
	}
	if errors.Is(err, context.Canceled) {
		return resultCanceled, false
	}
	if _, ok := errors.AsType[*pluginError](err); ok {
		return resultPlugin, true
	}
	if tooMuch(err) {
		return resultInvalid, false
	}
	if status, ok := errors.AsType[apiError](err); ok {
		// A watch from a version that an etcd restore has undone: the server
		// is well, and the stream knows what to do about it.
		if apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
			return resultOther, false
		}
		switch code := status.Status().Code; {
		case code == http.StatusUnauthorized:
			return resultUnauthorized, true
		case code == http.StatusTooManyRequests:
			return resultThrottled, false
		case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
			return resultUnavailable, true
		case code >= http.StatusInternalServerError:
			return resultUnavailable, false
		case !member.ByKubernetes(err):
			return resultInvalid, true
		}
		return resultOther, false
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return resultTimeout, true
	}
	if nerr, ok := errors.AsType[net.Error](err); ok {
		if nerr.Timeout() {
			return resultTimeout, true
		}
		return resultUnreachable, true
	}
	if _, ok := errors.AsType[*url.Error](err); ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return resultUnreachable, true
	}
	return resultOther, false
}

// retryAfter returns how long the server asks to be left alone, or zero.
func retryAfter(err error) time.Duration {
	seconds, ok := apierrors.SuggestsClientDelay(err)
	if !ok || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestRetryAfter)
}

// tooMuch tells whether a member sent more than it may.
func tooMuch(err error) bool {
	_, ok := errors.AsType[*member.TooMuchError](err)
	return ok
}

// plain returns the error without what client-go says around it, where that is
// advice to try again what will not become better.
func plain(err error) error {
	if big, ok := errors.AsType[*member.TooMuchError](err); ok {
		return big
	}
	return err
}
