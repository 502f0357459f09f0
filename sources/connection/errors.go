package connection

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/sources/member"
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

// answerResults is what the metrics call what an answer means.
var answerResults = [apistatus.NumMeanings]string{
	apistatus.TooNew:       resultOther, // the stream knows what to do about it
	apistatus.Expired:      resultOther,
	apistatus.Unauthorized: resultUnauthorized,
	apistatus.Forbidden:    resultOther,
	apistatus.NotFound:     resultOther,
	apistatus.Throttled:    resultThrottled,
	apistatus.Unavailable:  resultUnavailable,
	apistatus.Failing:      resultUnavailable,
	apistatus.Foreign:      resultInvalid,
	apistatus.Rejected:     resultOther,
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
	if meaning := apistatus.Of(err).Meaning; meaning != apistatus.None {
		return answerResults[meaning], meaning.Doubtful()
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
	if _, ok := errors.AsType[*url.Error](err); ok || brokeOff(err) {
		return resultUnreachable, true
	}
	return resultOther, false
}

// brokenError says that an answer had begun and broke off. What ended it may be an error of
// HTTP/2, none of which has a type that others know.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

// brokeOff tells whether an answer broke off, as far as that is not an error of the network.
func brokeOff(err error) bool {
	_, broken := errors.AsType[*brokenError](err)
	return broken || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
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
