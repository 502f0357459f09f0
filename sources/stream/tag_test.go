package stream

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

type tripper func(*http.Request) *http.Response

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

const (
	aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
	ofGroups   = "application/json"
)

// Only a tag of all that is served says that nothing has changed. Where there is none, a look
// that comes after the usual pause reads everything.
func TestTagOfDiscovery(t *testing.T) {
	for name, test := range map[string]struct {
		code      int
		kind, tag string // of the answer
		had       string // the tag of before
		want      string
		same      bool // at once
		later     bool // the same after the shortest pause
	}{
		"the same":                   {304, aggregated, `"a"`, `"a"`, `"a"`, true, true},
		"the same, with its text":    {200, aggregated, `"a"`, `"a"`, `"a"`, true, true},
		"another":                    {200, aggregated, `"b"`, `"a"`, `"b"`, false, false},
		"the first":                  {200, aggregated, `"b"`, "", `"b"`, false, false},
		"none":                       {200, aggregated, "", "", "", true, false},
		"the groups alone":           {200, ofGroups, "", "", "", true, false},
		"a tag of the groups alone":  {200, ofGroups, `"a"`, "", "", true, false},
		"not acceptable":             {406, ofGroups, "", "", "", true, false},
		"nothing asked, not changed": {304, ofGroups, "", "", "", false, false},
		"an error":                   {503, ofGroups, "", `"a"`, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewSurvey(SurveyOptions{Cluster: "c"})
				s.inventory, s.tag, s.readAt = &inventory{}, test.had, time.Now()
				s.session = &member.Session{Server: &url.URL{Scheme: "http", Host: "fake"}, CallTransport: tripper(func(r *http.Request) *http.Response {
					if r.URL.Path != "/apis" || r.Header.Get("If-None-Match") != test.had || !strings.HasSuffix(r.Header.Get("Accept"), ",application/json") {
						t.Errorf("asked for %s with %v", r.URL, r.Header)
					}
					h := http.Header{"Content-Type": {test.kind}}
					if test.tag != "" {
						h.Set("ETag", test.tag)
					}
					return &http.Response{StatusCode: test.code, Header: h, Body: io.NopCloser(strings.NewReader("{}")), Request: r}
				})}
				if tag, same := s.sameTag(t.Context()); tag != test.want || same != test.same {
					t.Errorf("at once: %s, %t", tag, same)
				}
				time.Sleep(DefaultSurveyInterval - DefaultSurveyInterval/10)
				if tag, same := s.sameTag(t.Context()); tag != test.want || same != test.later {
					t.Errorf("later: %s, %t", tag, same)
				}
			})
		})
	}
}
