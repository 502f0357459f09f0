package apistatus

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// status is the error of an answer with a Status object.
func status(code int, change ...func(*metav1.Status)) error {
	s := metav1.Status{Status: metav1.StatusFailure, Code: int32(code)} //nolint:gosec // Small.
	for _, c := range change {
		c(&s)
	}
	return &apierrors.StatusError{ErrStatus: s}
}

// page is the error of an answer without one.
func page(code int, change ...func(*metav1.Status)) error {
	err := apierrors.NewGenericServerResponse(code, http.MethodGet, schema.GroupResource{}, "", "<html>", 0, true)
	for _, c := range change {
		c(&err.ErrStatus)
	}
	return err
}

func reason(r metav1.StatusReason) func(*metav1.Status) {
	return func(s *metav1.Status) { s.Reason = r }
}
func message(m string) func(*metav1.Status) { return func(s *metav1.Status) { s.Message = m } }
func after(seconds int32) func(*metav1.Status) {
	return func(s *metav1.Status) { detailsOf(s).RetryAfterSeconds = seconds }
}

func cause(c metav1.StatusCause) func(*metav1.Status) {
	return func(s *metav1.Status) { detailsOf(s).Causes = append(detailsOf(s).Causes, c) }
}

func detailsOf(s *metav1.Status) *metav1.StatusDetails {
	if s.Details == nil {
		s.Details = &metav1.StatusDetails{}
	}
	return s.Details
}

var tooLargeCause = cause(metav1.StatusCause{Type: metav1.CauseTypeResourceVersionTooLarge})

func TestMeanings(t *testing.T) {
	const timeout = metav1.StatusReasonTimeout
	for name, tt := range map[string]struct {
		err  error
		want Meaning
		code int
	}{
		"nothing":             {nil, None, 0},
		"a broken connection": {io.ErrUnexpectedEOF, None, 0},
		"wrapped":             {fmt.Errorf("list pods: %w", status(403)), Forbidden, 403},

		"400": {status(400), Rejected, 400},
		"401": {status(401), Unauthorized, 401},
		"403": {status(403), Forbidden, 403},
		"404": {status(404), NotFound, 404},
		"405": {status(405), Rejected, 405},
		"408": {status(408), Failing, 408},
		"409": {status(409), Rejected, 409},
		"410": {status(410), Expired, 410},
		"413": {status(413), Rejected, 413},
		"422": {status(422), Rejected, 422},
		"429": {status(429), Throttled, 429},
		"500": {status(500), Failing, 500},
		"501": {status(501), Rejected, 501},
		"502": {status(502), Unavailable, 502},
		"503": {status(503), Unavailable, 503},
		"504": {status(504), Unavailable, 504},
		"505": {status(505), Failing, 505},
		"599": {status(599), Failing, 599},

		"a redirect":    {page(302), Foreign, 302},
		"a page of 400": {page(400), Foreign, 400},
		"a page of 401": {page(401), Unauthorized, 401},
		"a page of 403": {page(403), Foreign, 403},
		"a page of 404": {page(404), Foreign, 404},
		"a page of 407": {page(407), Foreign, 407},
		"a page of 408": {page(408), Foreign, 408},
		"a page of 410": {page(410), Foreign, 410},
		"a page of 429": {page(429), Throttled, 429},
		"a page of 500": {page(500), Failing, 500},
		"a page of 501": {page(501), Failing, 501},
		"a page of 502": {page(502), Unavailable, 502},
		"a page of 503": {page(503), Unavailable, 503},
		"a page of 504": {page(504), Unavailable, 504},

		"expired by its reason":              {status(0, reason(metav1.StatusReasonExpired)), Expired, 410},
		"expired whatever the code":          {status(500, reason(metav1.StatusReasonExpired)), Expired, 500},
		"a page that says expired":           {page(500, reason(metav1.StatusReasonExpired)), Failing, 500},
		"no code, forbidden":                 {status(0, reason(metav1.StatusReasonForbidden)), Forbidden, 403},
		"no code, timeout":                   {status(0, reason(timeout)), Unavailable, 504},
		"a code of success, unauthorized":    {status(200, reason(metav1.StatusReasonUnauthorized)), Unauthorized, 401},
		"neither code nor reason":            {status(0), Rejected, 0},
		"a code of success":                  {status(200), Rejected, 200},
		"a negative code":                    {status(-503), Rejected, -503},
		"the largest code":                   {status(math.MaxInt32), Failing, math.MaxInt32},
		"a reason that its code contradicts": {status(403, reason(metav1.StatusReasonNotFound)), Forbidden, 403},

		"too large by a cause":                 {status(504, reason(timeout), tooLargeCause), TooNew, 504},
		"too large by a cause alone":           {status(500, tooLargeCause), TooNew, 500},
		"too large as 1.17 says it":            {status(504, reason(timeout), cause(metav1.StatusCause{Message: tooLargeText})), TooNew, 504},
		"too large as 1.16 says it":            {status(504, reason(timeout), message(tooLargeText+": 5, current: 3")), TooNew, 504},
		"too large without the reason":         {status(504, message(tooLargeText)), Unavailable, 504},
		"too large, credentials not accepted":  {status(401, reason(metav1.StatusReasonUnauthorized), message(tooLargeText)), Unauthorized, 401},
		"a page that says too large":           {page(504, message(tooLargeText)), Unavailable, 504},
		"a page with the text of 1.17":         {apierrors.NewGenericServerResponse(504, "GET", schema.GroupResource{}, "", tooLargeText, 0, true), Unavailable, 504},
		"a page that pretends to have a cause": {page(504, tooLargeCause), Unavailable, 504},
	} {
		if got := Of(tt.err); got.Meaning != tt.want || got.Code != tt.code {
			t.Errorf("%s: %v %d, want %v %d", name, got.Meaning, got.Code, tt.want, tt.code)
		}
	}
}

func TestDoubtful(t *testing.T) {
	want := map[Meaning]bool{Unauthorized: true, Unavailable: true, Foreign: true}
	for m := range NumMeanings {
		if m.Doubtful() != want[m] || m.String() == "" {
			t.Errorf("%v is doubtful: %t, want %t", m, m.Doubtful(), want[m])
		}
	}
}

func TestRetryAfterIsBounded(t *testing.T) {
	for seconds, want := range map[int32]time.Duration{
		math.MinInt32: 0, -1: 0, 0: 0, 1: time.Second, 299: 299 * time.Second, 300: LongestRetryAfter, math.MaxInt32: LongestRetryAfter,
	} {
		for _, err := range []error{
			status(429, after(seconds)), page(503, after(seconds)), status(500, reason(metav1.StatusReasonServerTimeout), after(seconds)),
		} {
			if got := Of(err).RetryAfter; got != want {
				t.Errorf("%d: %v, want %v", seconds, got, want)
			}
		}
	}
}

func TestByKubernetesIsAStatusObject(t *testing.T) {
	for _, err := range []error{nil, io.EOF, page(404), errors.New("404")} {
		if ByKubernetes(err) {
			t.Errorf("%v is by Kubernetes", err)
		}
	}
	for _, err := range []error{status(404), fmt.Errorf("get: %w", status(0)), apierrors.NewNotFound(schema.GroupResource{}, "x")} {
		if !ByKubernetes(err) {
			t.Errorf("%v is not by Kubernetes", err)
		}
	}
}

// FuzzOf: whatever a Status object says, the answer keeps to its bounds, and only an
// API server's has a meaning about requests and objects.
func FuzzOf(f *testing.F) {
	f.Add(int32(504), "Timeout", "Too large resource version", "ResourceVersionTooLarge", int32(1), false)
	f.Add(int32(-1), "Expired", "", "UnexpectedServerResponse", int32(math.MinInt32), true)
	f.Add(int32(math.MaxInt32), "", "x", "", int32(math.MaxInt32), true)
	f.Fuzz(func(t *testing.T, code int32, why, text, causeType string, seconds int32, generic bool) {
		change := []func(*metav1.Status){
			reason(metav1.StatusReason(why)), message(text), cause(metav1.StatusCause{Type: metav1.CauseType(causeType), Message: text}), after(seconds),
		}
		err := status(int(code), change...)
		if generic {
			err = page(int(code), change...)
		}
		got := Of(err)
		if got.Meaning == None || got.Meaning >= NumMeanings {
			t.Errorf("meaning %d", got.Meaning)
		}
		if got.RetryAfter < 0 || got.RetryAfter > LongestRetryAfter {
			t.Errorf("leave it alone for %v", got.RetryAfter)
		}
		switch got.Meaning {
		case TooNew, Expired, Forbidden, NotFound, Rejected:
			if !ByKubernetes(err) {
				t.Errorf("%v, which only an API server says", got.Meaning)
			}
		case Foreign:
			if ByKubernetes(err) {
				t.Error("an API server's answer is taken for another's")
			}
		}
	})
}
