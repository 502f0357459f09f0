package cache

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
)

func TestRefusalsAreShown(t *testing.T) {
	for want, body := range map[string]string{
		"504 Gateway Timeout: not there yet": `{"kind":"Status","apiVersion":"v1","status":"Failure","code":503,"message":"not there yet"}`,
		"504 Gateway Timeout":                "<html>bad gateway, not there yet",
	} {
		resp := &http.Response{StatusCode: http.StatusGatewayTimeout, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		if got := refusalError(apistatus.Error(resp)).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// An informer gets no answer that it could only try again after.
func TestInformersGetWhatTheyCanActOn(t *testing.T) {
	want := map[apistatus.Meaning]bool{apistatus.TooNew: true, apistatus.Expired: true, apistatus.Rejected: true}
	for m := range apistatus.NumMeanings {
		if got := forInformer(apistatus.Answer{Meaning: m}); got != want[m] {
			t.Errorf("%v goes to the informer: %t", m, got)
		}
	}
	// An API server's own plain text.
	for code, want := range map[int]bool{400: true, 404: false, 405: true, 410: true, 422: true, 302: false} {
		if got := forInformer(apistatus.Answer{Meaning: apistatus.Foreign, Code: code}); got != want {
			t.Errorf("%d in plain text goes to the informer: %t", code, got)
		}
	}
}
