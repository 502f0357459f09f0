package connection

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

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
	if errors.Is(err, member.ErrNotKubernetes) {
		return resultInvalid, true
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

// redactor makes error texts fit to be shown.
type redactor struct{ secrets *strings.Replacer }

// credentials are recognised by their looks where they are not known: tokens
// that a plugin or a file supplies.
var credentials = regexp.MustCompile(`(?i)\b(bearer|basic)[ :]+[\w.~+/=-]{16,}|\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]+)?|://[^/\s"@]+@`)

const redacted = "[redacted]"

func newRedactor(cfg *rest.Config) redactor {
	if cfg == nil {
		return redactor{strings.NewReplacer()}
	}
	known := []string{cfg.BearerToken, cfg.Password, string(cfg.KeyData), string(cfg.CertData)}
	if cfg.AuthProvider != nil {
		for _, v := range cfg.AuthProvider.Config {
			known = append(known, v)
		}
	}
	if cfg.ExecProvider != nil {
		for _, v := range cfg.ExecProvider.Env {
			known = append(known, v.Value)
		}
	}
	var pairs []string
	for _, s := range known {
		if len(s) >= 4 { // shorter ones would only garble the text
			pairs = append(pairs, s, redacted)
		}
	}
	return redactor{strings.NewReplacer(pairs...)}
}

// text returns the message of err on one line, without credentials, of at most
// 500 bytes.
func (r redactor) text(err error) string {
	if err == nil {
		return ""
	}
	s := r.secrets.Replace(err.Error())
	s = credentials.ReplaceAllStringFunc(s, func(found string) string {
		if strings.HasPrefix(found, "://") {
			return "://" + redacted + "@"
		}
		return redacted
	})
	s = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, s)
	const most = 500
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most-3], "") + "..."
	}
	return s
}
