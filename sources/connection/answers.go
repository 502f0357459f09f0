package connection

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// refusalTimeout bounds the wait for the text of an error.
const refusalTimeout = 30 * time.Second

// answers stands between a member and all that reads its answers. It bounds them,
// and it tells those of an API server from those of something in front of it: a
// 404 of a load balancer does not say that a resource is missing, nor a 200 with
// a login page that anybody is well. Such an answer becomes a 503.
type answers struct {
	next http.RoundTripper
	// whole bounds an answer that succeeds, and frame each frame of one, in
	// bytes that it may take decoded. Zero: whoever reads it does so in pieces
	// that are bounded.
	whole, frame int64
}

// RoundTrip returns the answer to look at. The body of one that tells of an error
// has been read.
func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := a.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= http.StatusOK {
		resp.Body = &breaking{resp.Body}
	}
	switch code := resp.StatusCode; {
	case code < http.StatusOK: // another protocol, which has no bounds
		if req.Header.Get("Upgrade") == "" {
			return inFront(req, resp), nil
		}
	case code >= http.StatusBadRequest:
		return refusal(req, resp), nil
	case code >= http.StatusMultipleChoices:
		weigh(req, resp, newBudget(maxRefusal), 0)
	case !expected(req, resp):
		return inFront(req, resp), nil
	case budgetOf(req.Context()) != nil:
		weigh(req, resp, budgetOf(req.Context()), 0)
	case a.frame > 0 && isWatch(req):
		weigh(req, resp, nil, a.frame)
	case a.whole > 0 && req.URL.Query().Get("follow") != "true": // a log may go on for ever
		weigh(req, resp, newBudget(a.whole), 0)
	}
	return resp, nil
}

// WrappedRoundTripper lets client-go look through.
func (a *answers) WrappedRoundTripper() http.RoundTripper { return a.next }

func isWatch(req *http.Request) bool {
	watch := req.URL.Query().Get("watch")
	return watch == "true" || watch == "1"
}

// refusal reads an answer that tells of an error.
func refusal(req *http.Request, resp *http.Response) *http.Response {
	boundRetryAfter(resp.Header)
	if whole := budgetOf(req.Context()); whole != nil {
		weigh(req, resp, whole, 0) // others may hold as many at the same time
	}
	weigh(req, resp, newBudget(maxRefusal), 0)
	body := resp.Body
	timer := time.AfterFunc(refusalTimeout, func() { _ = body.Close() })
	text, err := io.ReadAll(body)
	timer.Stop()
	_ = body.Close()
	switch big, tooBig := errors.AsType[*member.TooMuchError](err); {
	case tooBig && misleads(resp.StatusCode):
		return say(resp, http.StatusServiceUnavailable, big.Error())
	case tooBig:
		return say(resp, resp.StatusCode, big.Error())
	case err == nil && misleads(resp.StatusCode) && !passedThrough(req) && !ofKubernetes(resp, text):
		return inFront(req, resp)
	case err == nil:
		text = withHead(resp, text)
	}
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text), failing{err}))
	return resp
}

// withHead puts what the head of an answer says into its Status object, which is all
// that client-go looks at if there is one.
func withHead(resp *http.Response, text []byte) []byte {
	if mediaTypeOf(resp) != runtime.ContentTypeJSON {
		return text
	}
	var status metav1.Status
	if json.Unmarshal(text, &status) != nil || status.Kind != "Status" || !apistatus.Complete(&status, resp.StatusCode, resp.Header) {
		return text
	}
	if with, err := json.Marshal(status); err == nil {
		resp.ContentLength = int64(len(with))
		return with
	}
	return text
}

// boundRetryAfter has client-go, which sleeps for as long as it is told, and all
// others see no time but one that a server may ask for.
func boundRetryAfter(header http.Header) {
	if seconds := apistatus.RetryAfter(header); seconds > 0 {
		header.Set("Retry-After", strconv.Itoa(int(seconds)))
	} else {
		header.Del("Retry-After")
	}
}

// breaking is a body whose end is one, or a brokenError.
type breaking struct{ io.ReadCloser }

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &brokenError{err}
	}
	return n, err
}

// failing fails, or is at its end.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

// misleads tells whether a status means something else if not an API server says
// it. Where it is about credentials, or too many requests, whoever says it is to
// be believed.
func misleads(code int) bool {
	switch code {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	}
	return code < http.StatusInternalServerError
}

// ofKubernetes tells whether an error is an API server's: a Status object, or for
// paths that it does not know a line of text, with headers that it adds to all.
func ofKubernetes(resp *http.Response, text []byte) bool {
	switch mediaType := mediaTypeOf(resp); {
	case mediaType == "text/html":
		return false
	case strings.Contains(mediaType, "protobuf"):
		return bytes.HasPrefix(text, []byte("k8s\x00"))
	case mediaType == runtime.ContentTypeJSON:
		var status metav1.TypeMeta
		return json.Unmarshal(text, &status) == nil && status.Kind == "Status"
	}
	return resp.Header.Get("Audit-Id") != "" || resp.Header.Get("X-Kubernetes-Pf-Flowschema-Uid") != "" ||
		resp.Header.Get("Cache-Control") == "no-cache, private"
}

// expected tells whether an answer that succeeds is in a form that was asked for.
// Decoders go by what an answer says that it is.
func expected(req *http.Request, resp *http.Response) bool {
	mediaType, accept := mediaTypeOf(resp), req.Header.Get("Accept")
	switch {
	case mediaType == "" || strings.Contains(accept, mediaType) || passedThrough(req):
		return true
	case strings.HasSuffix(mediaType, "+protobuf") && strings.Contains(accept, "+protobuf"):
		return true // OpenAPI's has two names
	case mediaType == "text/html", strings.Contains(mediaType, "protobuf"), strings.Contains(mediaType, "cbor"):
		return false
	}
	return accept == "" || strings.Contains(accept, "*/*")
}

// passedThrough tells whether an API server only hands on what another says.
func passedThrough(req *http.Request) bool {
	return strings.HasSuffix(req.URL.Path, "/proxy") || strings.Contains(req.URL.Path, "/proxy/")
}

func mediaTypeOf(resp *http.Response) string {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return mediaType
}

// inFront returns the answer to give for one that is not an API server's.
func inFront(req *http.Request, resp *http.Response) *http.Response {
	kind := mediaTypeOf(resp)
	if kind == "" {
		kind = "nothing that is known"
	}
	return say(resp, http.StatusServiceUnavailable, fmt.Sprintf(
		"%s %s: answered with %d and %.100q, which is not what a Kubernetes API server says; check the address and what stands in front of it",
		req.Method, req.URL.Path, resp.StatusCode, kind))
}

// say puts a Status object in the place of an answer.
func say(resp *http.Response, code int, message string) *http.Response {
	text, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Message: message, Reason: reasonOf(code), //nolint:gosec // A status code.
	})
	if err != nil {
		panic(err) // not reached: it is made of texts
	}
	_ = resp.Body.Close() // http.Client's timer is in it
	resp.StatusCode, resp.Status = code, strconv.Itoa(code)+" "+http.StatusText(code)
	resp.Header.Set("Content-Type", runtime.ContentTypeJSON)
	resp.Header.Del("Content-Encoding")
	resp.ContentLength = int64(len(text))
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp
}

func reasonOf(code int) metav1.StatusReason {
	switch code {
	case http.StatusServiceUnavailable:
		return metav1.StatusReasonServiceUnavailable
	case http.StatusUnauthorized:
		return metav1.StatusReasonUnauthorized
	case http.StatusTooManyRequests:
		return metav1.StatusReasonTooManyRequests
	case http.StatusForbidden:
		return metav1.StatusReasonForbidden
	case http.StatusNotFound:
		return metav1.StatusReasonNotFound
	case http.StatusGone:
		return metav1.StatusReasonExpired
	}
	return metav1.StatusReasonUnknown
}
