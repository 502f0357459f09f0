package apistatus

import (
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Meaning is what an answer means to whoever asked.
type Meaning uint8

// The meanings. Only an API server's Status object has those that are about a
// request or an object: TooNew, Expired, Forbidden, NotFound and Rejected.
const (
	// None: the error is no server's answer.
	None Meaning = iota
	// TooNew: the server does not know the resourceVersion yet, or not again after
	// a restore of its etcd. It is well.
	TooNew
	// Expired: the server does not keep the resourceVersion or the continue token
	// any more (410, or the reason Expired).
	Expired
	// Unauthorized: the credentials are not accepted (401), whoever says so.
	Unauthorized
	// Forbidden: RBAC or an admission plugin forbids it (403).
	Forbidden
	// NotFound: there is no such resource or object (404).
	NotFound
	// Throttled: there are too many requests (429), whoever says so.
	Throttled
	// Unavailable: nobody answers behind who answers, or the server is starting or
	// stopping (502, 503, 504).
	Unavailable
	// Failing: the server is there, and could not do it this time (408, 500 and the
	// other codes above).
	Failing
	// Foreign: something else than a Kubernetes API server answers.
	Foreign
	// Rejected: the server does not take what it is asked: a wrong request (400, 405,
	// 422), or one that it cannot serve (501).
	Rejected
	// NumMeanings is how many there are.
	NumMeanings
)

var meaningNames = [NumMeanings]string{
	"none", "too new", "expired", "unauthorized", "forbidden", "not found", "throttled", "unavailable", "failing", "foreign", "rejected",
}

// String returns the name of the meaning, for tests and logs.
func (m Meaning) String() string { return meaningNames[m] }

// Doubtful reports whether an answer is a reason to ask whether the API server is
// there, and takes the credentials, before anything else is sent to it.
func (m Meaning) Doubtful() bool { return m == Unauthorized || m == Unavailable || m == Foreign }

// meanings has the codes that mean something of their own. Another one from 500 on
// is Failing, and any other Rejected.
var meanings = map[int]Meaning{
	http.StatusUnauthorized:       Unauthorized,
	http.StatusForbidden:          Forbidden,
	http.StatusNotFound:           NotFound,
	http.StatusRequestTimeout:     Failing,
	http.StatusGone:               Expired,
	http.StatusTooManyRequests:    Throttled,
	http.StatusNotImplemented:     Rejected,
	http.StatusBadGateway:         Unavailable,
	http.StatusServiceUnavailable: Unavailable,
	http.StatusGatewayTimeout:     Unavailable,
}

// codes has the code that API servers send with a reason, for Status objects that
// have no code.
var codes = map[metav1.StatusReason]int{
	metav1.StatusReasonUnauthorized:       http.StatusUnauthorized,
	metav1.StatusReasonForbidden:          http.StatusForbidden,
	metav1.StatusReasonNotFound:           http.StatusNotFound,
	metav1.StatusReasonGone:               http.StatusGone,
	metav1.StatusReasonExpired:            http.StatusGone,
	metav1.StatusReasonTooManyRequests:    http.StatusTooManyRequests,
	metav1.StatusReasonInternalError:      http.StatusInternalServerError,
	metav1.StatusReasonServerTimeout:      http.StatusInternalServerError,
	metav1.StatusReasonServiceUnavailable: http.StatusServiceUnavailable,
	metav1.StatusReasonTimeout:            http.StatusGatewayTimeout,
}

// codeOf returns the code of a Status object, or the one that its reason stands for
// if it has none that tells of an error. Of one without either it returns what the
// object says.
func codeOf(status *metav1.Status) int {
	if code := int(status.Code); code >= http.StatusMultipleChoices {
		return code
	}
	if code, ok := codes[status.Reason]; ok {
		return code
	}
	return int(status.Code)
}

func meaningOf(status *metav1.Status, code int) Meaning {
	meaning, known := meanings[code]
	switch {
	case known:
	case code >= http.StatusInternalServerError:
		meaning = Failing
	default:
		meaning = Rejected
	}
	switch spoken := byKubernetes(status); {
	case spoken && isTooNew(status):
		return TooNew
	case spoken && status.Reason == metav1.StatusReasonExpired:
		return Expired
	case spoken:
		return meaning
	case meaning == Unauthorized, meaning == Throttled:
		return meaning // whoever says so is to be believed
	case code == http.StatusNotImplemented:
		return Failing // that it cannot serve a request is for an API server to say
	case code >= http.StatusInternalServerError:
		return meaning
	}
	return Foreign
}

// byKubernetes reports whether a status is an API server's own, and not what
// client-go makes of an answer that holds none.
func byKubernetes(status *metav1.Status) bool {
	return !hasCause(status, func(c *metav1.StatusCause) bool { return c.Type == metav1.CauseTypeUnexpectedServerResponse })
}

// tooLargeText is how API servers say that they do not know a version yet. Before
// Kubernetes 1.19 they say it in no other way.
const tooLargeText = "Too large resource version"

// isTooNew recognises what client-go's Reflector does, see
// isTooLargeResourceVersionError in its reflector.go.
func isTooNew(status *metav1.Status) bool {
	return hasCause(status, func(c *metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeResourceVersionTooLarge || status.Reason == metav1.StatusReasonTimeout && c.Message == tooLargeText
	}) || status.Reason == metav1.StatusReasonTimeout && strings.Contains(status.Message, tooLargeText)
}

func hasCause(status *metav1.Status, is func(*metav1.StatusCause) bool) bool {
	if status.Details == nil {
		return false
	}
	for i := range status.Details.Causes {
		if is(&status.Details.Causes[i]) {
			return true
		}
	}
	return false
}
