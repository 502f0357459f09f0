package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/sources"
)

// A tail of what there is not would show nothing for ever.
func TestTailOfWhatThereIs(t *testing.T) {
	var member sources.MemberStatus
	member.Connection.Cluster = "alpha"
	began := 0
	a := &admin{
		members: func() []sources.MemberStatus { return []sources.MemberStatus{member} }, routes: []string{"file:x", "postgres://a,b/db"},
		tails: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { began++ }), log: logr.Discard(),
	}
	for query, wrong := range map[string]string{
		"": "", "cluster=alpha": "", "route=file:x": "", "route=postgres://a,b/db": "", "route=file:x,postgres://c": `no route "postgres://c"`,
		"cluster=alpha,beta": `no cluster "beta"`, "resource=wigs": "",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		before := began
		a.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/tail?"+values.Encode(), nil))
		said := strings.ReplaceAll(w.Body.String(), `\"`, `"`)
		if begins := began > before; begins != (wrong == "") || !begins && (w.Code != http.StatusNotFound || !strings.Contains(said, wrong)) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}
